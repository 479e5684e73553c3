// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact } from "./cache";
import { run } from "./command";
import { bootstrap } from "./debian";
import { keyOf } from "./digest";
import { repository } from "./paths";
import { size, step } from "./progress";

const suite = "trixie";
const packages = [
    "linux-source-6.12",
    ...["gcc", "make", "binutils", "flex", "bison", "bc", "cpio", "kmod", "perl-base", "python3-minimal", "xz-utils"],
    ...["libelf-dev", "libssl-dev"],
];
const tree = "/linux";
const settings = join(repository, "lab", "build", "linux", "debug.config");

/** Debian 13's Linux with what finds a module's mistakes: KASAN, lockdep, kmemleak, fault injection. */
export interface DebugKernel {
    /** The compressed kernel; it needs no initial RAM disk. */
    image: string;
    /** A Debian root that has the kernel's tree and its compiler. */
    root: string;
    /** The built tree, as seen from inside the root. */
    tree: string;
    release: string;
}

/** The kernel from the cache, or built from Debian's source package: most of an hour on two cores. */
export async function debugKernel(): Promise<DebugKernel> {
    const key = keyOf(suite, ...packages, readFileSync(settings, "utf8"));
    const directory = await artifact("images", "debug-kernel", key, async (place) => {
        const root = join(place, "root");
        const log = join(place, "build.log");
        await step(`making the build root of the debug kernel (mmdebstrap ${suite})`, async (note) => {
            await bootstrap({ suite, packages }, root, log, note);
        });
        await step("building Linux with KASAN, lockdep and kmemleak", async (note) => {
            const build = join(root, tree);
            mkdirSync(build);
            // Where modules are built.
            mkdirSync(join(root, "build"));
            const archive = readdirSync(join(root, "usr", "src")).find((name) => /^linux-source-.*\.tar/.test(name));
            if (!archive) throw new Error(`${packages[0]} brought no source archive; see ${log}`);
            const inRoot = (...command: string[]) => run("chroot", [root, ...command], { log, nice: true, line: note });
            await inRoot("tar", "-C", tree, "--strip-components=1", "-xf", `/usr/src/${archive}`);
            copyFileSync(settings, join(build, "debug.config"));
            const make = (...goals: string[]) => inRoot("make", "-s", "-C", tree, ...goals);
            await make("x86_64_defconfig");
            await inRoot("sh", "-c", `cd ${tree} && scripts/kconfig/merge_config.sh -m .config debug.config`);
            await make("olddefconfig");
            const { stdout: cores } = await run("nproc", []);
            await make(`-j${cores.trim()}`, "bzImage", "modules");
            const { stdout: release } = await inRoot("make", "-s", "-C", tree, "kernelrelease");
            writeFileSync(join(place, "kernel-release"), release.trim());
            copyFileSync(join(build, "arch", "x86", "boot", "bzImage"), join(place, "vmlinuz"));
            note(size(statSync(join(place, "vmlinuz")).size));
        });
    });
    return {
        image: join(directory, "vmlinuz"),
        root: join(directory, "root"),
        tree,
        release: readFileSync(join(directory, "kernel-release"), "utf8"),
    };
}
