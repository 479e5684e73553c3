// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, FSWatcher, statSync, watch } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { hostname, release } from "node:os";
import { basename, dirname } from "node:path";
import { deviceNumbers } from "../api/kernel-message";

/** An executable as the kernel tells it from others. */
export interface Executable {
    major: number;
    minor: number;
    inode: bigint;
    /** Changes whenever the content may have. */
    version: string;
    /** `true` for a text with `#!`: its process runs the interpreter, not this file. */
    script: boolean;
}

/** Why the node has no such thing, as the end of a sentence. */
export interface Missing {
    missing: string;
}

/** Where a unit's processes are, or why the unit has none. */
export type Cgroup = { path: string } | Missing;

/** The node: what selectors speak of, looked up there. */
export interface Host {
    readonly hostname: string;
    readonly kernelRelease: string;
    /** Executable at a path; symbolic links are followed. */
    executable(path: string): Promise<Executable | Missing>;
    /** SHA-256 of a file, lower-case hexadecimal. */
    digest(path: string): Promise<string>;
    /** cgroup v2 path of a systemd unit, running or not. */
    unitCgroup(unit: string): Promise<Cgroup>;
    /** Says whether the kernel takes TLS off an application's hands (the module `tls` is loaded, or built in). */
    hasKernelTls(): Promise<boolean>;
    /** Calls back after anything changed that decides what the paths and units are. Replaces the watch before. */
    observe(paths: readonly string[], units: readonly string[], onChange: () => void): void;
    /** Tells systemd that the service is ready, or what it waits for. */
    notify(state: { ready?: boolean; status?: string }): Promise<void>;
    close(): void;
}

const unitDirectories = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/transient",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/** Protocols that may be laid over a TCP socket. */
const upperProtocols = "/proc/sys/net/ipv4/tcp_available_ulp";
const unitsPerCall = 200;
// A systemd that hangs must not hold up the bindings that have nothing to do with it for ever.
const commandMs = 30_000;

/** A Linux host with systemd. */
export class SystemdHost implements Host {
    readonly hostname = hostname();
    readonly kernelRelease = release();
    private watchers: FSWatcher[] = [];
    private observed = "";
    private readonly units = new Map<string, Cgroup>();
    private readonly asked = new Map<
        string,
        { resolve: (cgroup: Cgroup) => void; reject: (error: unknown) => void }[]
    >();

    async executable(path: string): Promise<Executable | Missing> {
        try {
            const found = await stat(path, { bigint: true });
            if (!found.isFile()) {
                return { missing: "is not a regular file" };
            }
            if ((found.mode & 0o111n) === 0n) {
                return { missing: "is not executable" };
            }
            return {
                ...deviceNumbers(found.dev),
                inode: found.ino,
                version: `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`,
                script: await isScript(path),
            };
        } catch (error) {
            const code = (error as NodeJS.ErrnoException).code;
            return { missing: code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read (${code})` };
        }
    }

    digest(path: string): Promise<string> {
        return new Promise((resolve, reject) => {
            const hash = createHash("sha256");
            createReadStream(path)
                .on("error", reject)
                .on("data", (part) => hash.update(part))
                .on("end", () => resolve(hash.digest("hex")));
        });
    }

    /** Units asked for at once are asked for in one call; what is known stays known until a unit file changes. */
    unitCgroup(unit: string): Promise<Cgroup> {
        const known = this.units.get(unit);
        if (known) {
            return Promise.resolve(known);
        }
        if (this.asked.size === 0) {
            setImmediate(() => void this.askSystemd());
        }
        return new Promise((resolve, reject) => {
            const askers = this.asked.get(unit) ?? [];
            this.asked.set(unit, [...askers, { resolve, reject }]);
        });
    }

    private async askSystemd(): Promise<void> {
        const asked = [...this.asked];
        this.asked.clear();
        for (let at = 0; at < asked.length; at += unitsPerCall) {
            const some = asked.slice(at, at + unitsPerCall);
            const names = some.map(([unit]) => unit);
            try {
                const output = await run("systemctl", [
                    "show",
                    "--property=LoadState,ControlGroup,Slice",
                    "--",
                    ...names,
                ]);
                const blocks = output.trim().split("\n\n");
                some.forEach(([unit, askers], index) => {
                    const cgroup = unitPath(unit, blocks[index] ?? "");
                    if ("path" in cgroup) {
                        this.units.set(unit, cgroup);
                    }
                    askers.forEach(({ resolve }) => resolve(cgroup));
                });
            } catch (error) {
                some.forEach(([, askers]) => askers.forEach(({ reject }) => reject(error)));
            }
        }
    }

    async hasKernelTls(): Promise<boolean> {
        try {
            return (await readFile(upperProtocols, "utf8")).split(/\s+/).includes("tls");
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code === "ENOENT") {
                return false;
            }
            throw error;
        }
    }

    observe(paths: readonly string[], units: readonly string[], onChange: () => void): void {
        const files = [...new Set(paths)].sort();
        const places = units.length > 0 ? unitDirectories.filter(existsSync) : [];
        const known = [...files.map((path) => nearest(dirname(path))), ...places];
        // A directory that was made anew under its name is another one: its watch sees nothing any more.
        const wanted = JSON.stringify([files, known.map((directory) => [directory, inodeOf(directory)])]);
        if (wanted === this.observed) {
            return;
        }
        this.close();
        this.follow(files, places, onChange);
        this.observed = wanted;
    }

    private follow(files: readonly string[], places: readonly string[], onChange: () => void): void {
        const names = new Map<string, Set<string> | undefined>();
        for (const path of files) {
            const directory = nearest(dirname(path));
            if (directory === dirname(path)) {
                const known = names.get(directory);
                if (!names.has(directory) || known) {
                    names.set(directory, (known ?? new Set<string>()).add(basename(path)));
                }
            } else {
                names.set(directory, undefined);
            }
        }
        places.forEach((directory) => names.set(directory, undefined));
        for (const [directory, wantedNames] of names) {
            const watcher = watch(directory, { persistent: false }, (_event, name) => {
                if (unitDirectories.includes(directory)) {
                    this.units.clear();
                }
                // A name that is the directory's own: it has gone or moved.
                if (!wantedNames || !name || wantedNames.has(name) || name === basename(directory)) {
                    onChange();
                }
            });
            // The directory itself has gone: look again from its parent.
            watcher.on("error", onChange);
            this.watchers.push(watcher);
        }
    }

    async notify(state: { ready?: boolean; status?: string }): Promise<void> {
        if (!process.env.NOTIFY_SOCKET) {
            return;
        }
        const args = [...(state.ready ? ["--ready"] : []), ...(state.status ? [`--status=${state.status}`] : [])];
        await run("systemd-notify", args);
    }

    close(): void {
        this.unobserve();
        this.observed = "";
    }

    private unobserve(): void {
        this.watchers.forEach((watcher) => watcher.close());
        this.watchers = [];
    }
}

/** The cgroup of a unit from the output of `systemctl show`. */
export function unitPath(unit: string, shown: string): Cgroup {
    const properties = new Map(
        shown.split("\n").map((line) => {
            const at = line.indexOf("=");
            return [line.slice(0, at), line.slice(at + 1)] as const;
        }),
    );
    const running = properties.get("ControlGroup");
    if (running) {
        return { path: running };
    }
    const loaded = properties.get("LoadState");
    if (loaded !== "loaded") {
        return {
            missing: loaded === "not-found" ? "is not known to systemd" : `has the load state ${loaded || "unknown"}`,
        };
    }
    const slice = properties.get("Slice") || "system.slice";
    return { path: unit.endsWith(".slice") ? slicePath(unit) : `${slicePath(slice)}/${unit}` };
}

/** cgroup path of a slice: `a-b.slice` is below `a.slice`. */
export function slicePath(slice: string): string {
    if (slice === "-.slice") {
        return "";
    }
    const parts = slice.replace(/\.slice$/, "").split("-");
    return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}

function inodeOf(directory: string): string {
    const found = statSync(directory, { bigint: true, throwIfNoEntry: false });
    // A number of a removed directory is given again soon.
    return found ? `${found.dev}:${found.ino}:${found.birthtimeNs}` : "";
}

function nearest(directory: string): string {
    return existsSync(directory) || directory === "/" ? directory : nearest(dirname(directory));
}

async function isScript(path: string): Promise<boolean> {
    const file = await open(path, "r");
    try {
        const start = Buffer.alloc(2);
        await file.read(start, 0, 2, 0);
        return start.toString("latin1") === "#!";
    } finally {
        await file.close();
    }
}

function run(command: string, args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: commandMs });
        let output = "";
        let complaint = "";
        child.stdout.on("data", (part: Buffer) => (output += part.toString("utf8")));
        child.stderr.on("data", (part: Buffer) => (complaint += part.toString("utf8")));
        child.on("error", reject);
        child.on("close", (code, signal) =>
            code === 0
                ? resolve(output)
                : reject(
                      new Error(
                          `${command}: ${signal ? `ended by ${signal}` : `exit code ${code}`}: ${complaint.trim()}`,
                      ),
                  ),
        );
    });
}
