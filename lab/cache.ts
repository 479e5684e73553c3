// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDirectory } from "./paths";
import { say } from "./progress";

const keptVersions = 3;

/**
 * Runs work while this process alone holds a lock of that name in the cache. The lock is the kernel's (flock), held by a
 * child that ends with us, so a killed run leaves none behind.
 */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
    const file = join(cacheDirectory(), "locks", name);
    mkdirSync(dirname(file), { recursive: true });
    const holder = spawn("flock", ["--exclusive", file, "sh", "-c", "echo held; exec cat"], {
        stdio: ["pipe", "pipe", "inherit"],
    });
    const waiting = setTimeout(() => say(`waiting for another run that is making ${name}`), 10_000);
    try {
        const ended = once(holder, "exit").then(([code]) =>
            Promise.reject(new Error(`flock ${file} ended with status ${code}`)),
        );
        await Promise.race([once(holder.stdout, "data"), ended]);
        ended.catch(() => undefined);
        clearTimeout(waiting);
        return await work();
    } finally {
        clearTimeout(waiting);
        holder.stdin.end();
    }
}

/**
 * The directory `<cache>/<kind>/<name>-<key>`, made by `build` on first use: built beside its place and renamed into it, so it
 * is there whole or not at all. `build` gets the empty directory to fill.
 */
export async function artifact(
    kind: string,
    name: string,
    key: string,
    build: (directory: string) => Promise<void>,
): Promise<string> {
    const shelf = join(cacheDirectory(), kind);
    const place = join(shelf, `${name}-${key}`);
    if (!existsSync(place)) {
        await locked(`${kind}-${name}-${key}`, async () => {
            if (existsSync(place)) return;
            const beside = join(cacheDirectory(), "unfinished", `${kind}-${name}-${key}`);
            rmSync(beside, { recursive: true, force: true });
            mkdirSync(beside, { recursive: true });
            mkdirSync(shelf, { recursive: true });
            await build(beside);
            renameSync(beside, place);
        });
        prune(shelf, name);
    }
    const now = new Date();
    utimesSync(place, now, now);
    return place;
}

/** Removes all but the latest used versions of one artifact. */
function prune(shelf: string, name: string): void {
    readdirSync(shelf)
        .filter((entry) => entry.startsWith(`${name}-`) && /^[0-9a-f]{16}$/.test(entry.slice(name.length + 1)))
        .map((entry) => ({ path: join(shelf, entry), used: statSync(join(shelf, entry)).mtimeMs }))
        .sort((a, b) => b.used - a.used)
        .slice(keptVersions)
        .forEach(({ path }) => rmSync(path, { recursive: true, force: true }));
}
