// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { attempt, run, which } from "./command";
import { step } from "./progress";

/** The Debian package that brings each program the lab calls. */
const packageOf = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    mmdebstrap: "mmdebstrap",
    mke2fs: "e2fsprogs",
    flock: "util-linux",
    ssh: "openssh-client",
    gcc: "gcc",
    make: "make",
    tar: "tar",
} as const;

export type HostProgram = keyof typeof packageOf;

/** Installs packages of this machine's own distribution. Needs root, as the error says. */
export async function install(packages: readonly string[]): Promise<void> {
    const list = packages.join(" ");
    if (process.getuid?.() !== 0 || !which("apt-get")) {
        throw new Error(
            `${list}: not installed. Run "apt-get install ${list}" as root (or run the lab as root), then again.`,
        );
    }
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    const apt = (args: string[], line: (text: string) => void) =>
        attempt("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], { env, line });
    await step(`apt-get install ${list}`, async (note) => {
        const wanted = ["install", "--yes", "--no-install-recommends", ...packages];
        if ((await apt(wanted, note)).code === 0) return;
        // The package lists may be absent or older than the archive.
        await run("apt-get", ["-o", "DPkg::Lock::Timeout=300", "update"], { env, line: note });
        await run("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...wanted], { env, line: note });
    });
}

/** Makes sure that programs are there, installing the Debian packages of those that are not. */
export async function requirePrograms(...programs: HostProgram[]): Promise<void> {
    const missing = programs.filter((program) => !which(program)).map((program) => packageOf[program]);
    if (missing.length) await install(missing);
}

/** The codename of the machine's own distribution, as "bookworm". */
export function codename(): string {
    return /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
}

/** Where this machine gets Debian from, by its own apt configuration (whatever form that has). */
export async function mirror(): Promise<string> {
    const query = [
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Label: Debian",
    ];
    const ask = async () => (await run("apt-get", query)).stdout.split("\n")[0]?.trim();
    let found = await ask();
    if (!found && process.getuid?.() === 0) {
        // Origin and label are known only once the lists have been fetched.
        await step("apt-get update", (note) => run("apt-get", ["update"], { line: note }));
        found = await ask();
    }
    if (!found) throw new Error("no Debian archive in this machine's apt sources: add one and run apt-get update");
    return found;
}

/** What {@link bootstrap} makes a root of. */
export interface Root {
    suite: string;
    packages: readonly string[];
    /** Further arguments of mmdebstrap. */
    hooks?: readonly string[];
}

/**
 * Makes a Debian root directory by mmdebstrap. Needs root. Runs in a mount namespace of its own: when it is killed, no /dev
 * or /sys stays mounted in a directory that is going to be removed.
 */
export async function bootstrap(
    wanted: Root,
    directory: string,
    log: string,
    line: (text: string) => void,
): Promise<void> {
    if (process.getuid?.() !== 0)
        throw new Error(`a ${wanted.suite} root must be made as root: run the lab once with sudo`);
    await requirePrograms("mmdebstrap");
    const args = [
        ...["--variant=minbase", "--mode=root", "--format=directory", '--aptopt=Acquire::Languages "none"'],
        ...["man", "locale", "doc"].map((kind) => `--dpkgopt=path-exclude=/usr/share/${kind}/*`),
        `--include=${wanted.packages.join(",")}`,
        ...(wanted.hooks ?? []),
        ...[wanted.suite, directory, await mirror()],
    ];
    const options = { log, nice: true, line: (text: string) => line(text.slice(0, 100)) };
    await run("unshare", ["--mount", "mmdebstrap", ...args], options);
}
