// SPDX-License-Identifier: Apache-2.0
import {
    chmodSync,
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
import { join } from "node:path";
import { artifact } from "./cache";
import { run } from "./command";
import { bootstrap } from "./debian";
import { keyOf, keyOfSources, sources } from "./digest";
import { repository } from "./paths";
import { size, step } from "./progress";

// Debian 12 has OpenSSL 3.0, whose kernel TLS does not receive TLS 1.3: so Debian 13 builds for both, statically.
const suite = "trixie";
const packages = ["gcc", "make", "libc6-dev", "libssl-dev", "zlib1g-dev", "libzstd-dev"];
const program = "riptides-tls";

const sourceDirectory = join(repository, "kmod");
const isSource = (path: string) => /^helper\/([^/]+\.[ch]|Makefile)$|^uapi\/riptides\.h$/.test(path);

const helperKey = () => keyOfSources(sourceDirectory, isSource, suite, ...packages);

/** Where the node installer looks: `<architecture>/riptides-tls`, and beside it the key of its sources. */
const bundled = join(repository, "dist", "bundle", "helper");
const keyFile = `${program}.sources`;

/** The TLS helper, static and stripped; built again when its sources change. */
export async function tlsHelper(): Promise<{ file: string; architecture: string; key: string }> {
    const { stdout } = await run("uname", ["-m"]);
    const architecture = stdout.trim();
    const key = helperKey();
    const directory = await artifact("helper", `${program}-${architecture}`, key, async (place) => {
        const root = await helperBuildRoot();
        const inRoot = `/build/${process.pid}`;
        const work = join(root, inRoot);
        try {
            for (const path of sources(sourceDirectory, isSource)) {
                mkdirSync(join(work, path, ".."), { recursive: true });
                copyFileSync(join(sourceDirectory, path), join(work, path));
            }
            // A key that no longer fits the sources would put a wrong program into the cache.
            if (keyOfSources(work, isSource, suite, ...packages) !== key)
                throw new Error("kmod/ changed while it was copied: run again");
            await step(`building ${program} (${suite}, static)`, async (note) => {
                const log = join(place, "build.log");
                const command = ["make", "-C", `${inRoot}/helper`, "STATIC=1"];
                await run("chroot", [root, ...command], { log, nice: true, line: note });
                copyFileSync(join(work, "helper", program), join(place, program));
                chmodSync(join(place, program), 0o755);
                note(size(statSync(join(place, program)).size));
            });
        } finally {
            rmSync(work, { recursive: true, force: true });
        }
    });
    return { file: join(directory, program), architecture, key };
}

/** Puts the TLS helper into the bundle: dist/bundle/helper/<uname -m>/riptides-tls. */
export async function placeHelper(): Promise<string> {
    const { file, architecture, key } = await tlsHelper();
    const place = join(bundled, architecture);
    mkdirSync(place, { recursive: true });
    const target = join(place, program);
    if (!existsSync(target) || !readFileSync(target).equals(readFileSync(file))) {
        copyFileSync(file, `${target}.new`);
        renameSync(`${target}.new`, target);
    }
    writeFileSync(join(place, keyFile), key);
    return target;
}

/** Architectures that a bundle holds the TLS helper for, and those whose program is not known to be of the present sources. */
export function bundledHelpers(directory = bundled, key = helperKey()): { all: string[]; stale: string[] } {
    const all = existsSync(directory)
        ? readdirSync(directory)
              .filter((name) => existsSync(join(directory, name, program)))
              .sort()
        : [];
    const isCurrent = (name: string) => {
        const file = join(directory, name, keyFile);
        return existsSync(file) && readFileSync(file, "utf8") === key;
    };
    return { all, stale: all.filter((name) => !isCurrent(name)) };
}

/** A Debian with a compiler and the static libraries of OpenSSL. */
export async function helperBuildRoot(): Promise<string> {
    const directory = await artifact("images", `${suite}-helper-build`, keyOf(suite, ...packages), async (place) => {
        await step(`making the build root of the TLS helper (mmdebstrap ${suite})`, async (note) => {
            await bootstrap({ suite, packages }, join(place, "root"), join(place, "build.log"), note);
            mkdirSync(join(place, "root", "build"));
        });
    });
    return join(directory, "root");
}
