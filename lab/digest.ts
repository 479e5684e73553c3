// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

const keyLength = 16;

/** A short key of texts: the same texts in the same order give the same key. */
export function keyOf(...texts: string[]): string {
    const hash = createHash("sha256");
    for (const text of texts) hash.update(`${Buffer.byteLength(text)}:`).update(text);
    return hash.digest("hex").slice(0, keyLength);
}

/** All files below a directory, in a fixed order, without build products and editor litter. */
export function sources(directory: string, wanted: (path: string) => boolean): string[] {
    return readdirSync(directory, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
        .filter(wanted)
        .sort();
}

/** A key of the names and contents of a directory's source files. */
export function keyOfSources(directory: string, wanted: (path: string) => boolean, ...more: string[]): string {
    const parts = sources(directory, wanted).flatMap((path) => [path, readFileSync(join(directory, path), "utf8")]);
    return keyOf(...more, ...parts);
}

/** SHA-256 of a file, 64 hexadecimal digits. */
export async function sha256OfFile(file: string): Promise<string> {
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    return hash.digest("hex");
}
