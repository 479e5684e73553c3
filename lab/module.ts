// SPDX-License-Identifier: Apache-2.0
import {
    copyFileSync,
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { artifact } from "./cache";
import { CommandError, run, which } from "./command";
import { bootstrap, codename, install } from "./debian";
import { debugKernel } from "./debug-kernel";
import { keyOf, keyOfSources, sources } from "./digest";
import { guestImage, type GuestImage } from "./guest-image";
import { cacheDirectory, repository } from "./paths";
import { size, step } from "./progress";
import type { GuestName } from "./state";

const sourceDirectory = join(repository, "kmod");
const isSource = (path: string) =>
    /(\.[chS]|^Kbuild|^Makefile|^LICENSE)$/.test(path) && !path.endsWith(".mod.c") && !path.startsWith("helper/");

/** `riptides.ko` for a guest's kernel, without debug information; built again when kmod/ changes. */
export async function moduleFor(guest: GuestName): Promise<{ file: string; kernelRelease: string }> {
    return build(await guestImage(guest), guest);
}

/** Puts the module for a guest where the node installer looks: dist/bundle/modules/<kernel release>/riptides.ko. */
export async function placeModule(image: GuestImage, guest: GuestName): Promise<string> {
    const { file } = await build(image, guest);
    const place = join(repository, "dist", "bundle", "modules", image.kernelRelease);
    mkdirSync(place, { recursive: true });
    const target = join(place, "riptides.ko");
    if (!existsSync(target) || !readFileSync(target).equals(readFileSync(file))) {
        copyFileSync(file, `${target}.new`);
        renameSync(`${target}.new`, target);
    }
    return target;
}

/** Copies the sources; a key that no longer fits them would put a wrong module into the cache. */
function copySources(release: string, key: string, work: string): void {
    for (const path of sources(sourceDirectory, isSource)) {
        mkdirSync(join(work, path, ".."), { recursive: true });
        copyFileSync(join(sourceDirectory, path), join(work, path));
    }
    if (keyOfSources(work, isSource, release) !== key) throw new Error("kmod/ changed while it was copied: run again");
}

async function build(image: GuestImage, guest: GuestName): Promise<{ file: string; kernelRelease: string }> {
    const release = image.kernelRelease;
    const key = keyOfSources(sourceDirectory, isSource, release);
    const directory = await artifact("modules", `riptides-${release}`, key, async (place) => {
        const { root, kernel } = await buildRoot(guest, release);
        const inRoot = `/build/${process.pid}`;
        const work = join(root, inRoot);
        try {
            copySources(release, key, work);
            await step(`building riptides.ko for Linux ${release}`, async (note) => {
                const log = join(place, "build.log");
                await run("chroot", [root, "make", "-C", inRoot, `KDIR=${kernel}`, `KVER=${release}`], {
                    log,
                    nice: true,
                    line: note,
                });
                await run("chroot", [root, "strip", "--strip-debug", `${inRoot}/riptides.ko`], { log });
                copyFileSync(join(work, "riptides.ko"), join(place, "riptides.ko"));
                note(size(statSync(join(place, "riptides.ko")).size));
            });
        } finally {
            rmSync(work, { recursive: true, force: true });
        }
    });
    return { file: join(directory, "riptides.ko"), kernelRelease: release };
}

/** A Debian of the guest's own release with its kernel's headers: the compiler must be the one the kernel was built with. */
async function buildRoot(guest: GuestName, release: string): Promise<{ root: string; kernel: string }> {
    if (guest === "debug") {
        const { root, tree } = await debugKernel();
        return { root, kernel: tree };
    }
    const packages = [`linux-headers-${release}`, "gcc", "make", "binutils"];
    const directory = await artifact("images", `${guest}-build`, keyOf(guest, ...packages), async (place) => {
        await step(`making the ${guest} build root for Linux ${release} (mmdebstrap)`, async (note) => {
            try {
                await bootstrap({ suite: guest, packages }, join(place, "root"), join(place, "build.log"), note);
            } catch (error) {
                if (!(error instanceof CommandError) || !error.result.stderr.includes("Unable to locate package"))
                    throw error;
                throw new Error(
                    `the archive no longer has linux-headers-${release}: remove ${cacheDirectory()}/images and run again, for an image of today's kernel`,
                );
            }
            mkdirSync(join(place, "root", "build"));
        });
    });
    return { root: join(directory, "root"), kernel: `/lib/modules/${release}/build` };
}

/** Builds the module against this machine's own distribution's headers (Debian 12: Linux 6.1, gcc-12); answers the file. */
export async function buildForHost61(): Promise<{ file: string; kernelRelease: string }> {
    if (codename() !== "bookworm") return moduleFor("bookworm");
    const headers = () =>
        readdirSync("/usr/src")
            .filter((name) => /^linux-headers-6\.1\..*-amd64$/.test(name))
            .sort()
            .at(-1);
    if (!headers() || !which("gcc-12") || !which("make")) await install(["linux-headers-amd64", "gcc-12", "make"]);
    const release = headers()?.slice("linux-headers-".length);
    if (!release) throw new Error("linux-headers-amd64 brought no 6.1 headers into /usr/src");
    const key = keyOfSources(sourceDirectory, isSource, release);
    const directory = await artifact("modules", `riptides-${release}`, key, async (place) => {
        const work = join(place, "kmod");
        copySources(release, key, work);
        await step(`building riptides.ko for Linux ${release} (${arch()}, gcc-12)`, async (note) => {
            const log = join(place, "build.log");
            const args = ["-C", work, `KDIR=/usr/src/linux-headers-${release}`, `KVER=${release}`, "CC=gcc-12"];
            await run("make", args, { log, nice: true, line: note });
            await run("strip", ["--strip-debug", join(work, "riptides.ko")], { log });
            copyFileSync(join(work, "riptides.ko"), join(place, "riptides.ko"));
            writeFileSync(join(place, "kernel-release"), release);
        });
        rmSync(work, { recursive: true });
    });
    return { file: join(directory, "riptides.ko"), kernelRelease: release };
}
