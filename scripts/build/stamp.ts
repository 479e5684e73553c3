// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What a target was made from and what it made: paths below the repository with the SHA-256 of their content. */
interface Stamp {
    recipe: string;
    inputs: Record<string, string>;
    outputs: Record<string, string>;
}

/** Remembers, by content, what each target of the build was made from, so that an unchanged target is not made again. */
export class Stamps {
    private readonly file: string;
    private readonly stamps: Record<string, Stamp>;
    private readonly hashes = new Map<string, string | undefined>();

    /** @param root the repository @param directory where the stamps are kept: with the outputs, so that both vanish together */
    constructor(
        private readonly root: string,
        directory: string,
    ) {
        this.file = join(directory, ".stamps.json");
        this.stamps = existsSync(this.file) ? (JSON.parse(readFileSync(this.file, "utf8")) as typeof this.stamps) : {};
    }

    /** True when the recipe, every input and every output are what they were when the target was last made. */
    isCurrent(target: string, recipe: string, inputs: readonly string[] = []): boolean {
        const stamp = this.stamps[target];
        return (
            stamp !== undefined &&
            stamp.recipe === recipe &&
            inputs.every((path) => path in stamp.inputs) &&
            Object.entries({ ...stamp.inputs, ...stamp.outputs }).every(([path, hash]) => this.hash(path) === hash)
        );
    }

    /** Notes a target as made. Paths are below the repository. */
    record(target: string, recipe: string, inputs: Iterable<string>, outputs: Iterable<string>): void {
        const made = [...outputs];
        made.forEach((path) => this.hashes.delete(path));
        this.stamps[target] = { recipe, inputs: this.hashAll(inputs), outputs: this.hashAll(made) };
        mkdirSync(dirname(this.file), { recursive: true });
        writeAtomic(this.file, `${JSON.stringify(this.stamps, undefined, 1)}\n`);
    }

    private hashAll(paths: Iterable<string>): Record<string, string> {
        return Object.fromEntries([...paths].sort().map((path) => [path, this.hash(path) ?? ""]));
    }

    private hash(path: string): string | undefined {
        if (!this.hashes.has(path)) {
            this.hashes.set(path, digest(join(this.root, path)));
        }
        return this.hashes.get(path);
    }
}

// A runtime of 90 MB is told apart by size and time: reading it would cost as much as the whole warm build.
const large = 32 << 20;

function digest(file: string): string | undefined {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) {
        return undefined;
    }
    return stat.size > large
        ? `${stat.size}:${stat.mtimeMs}`
        : createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Writes a file so that a reader sees the old or the new content, never a part. */
export function writeAtomic(file: string, content: string | Uint8Array, mode = 0o644): void {
    const temporary = `${file}.${process.pid}.tmp`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(temporary, content, { mode });
    renameSync(temporary, file);
}
