// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

/** The last `count` lines of a text, without trailing blank ones. */
export function lastLines(text: string, count: number): string {
    return text.trimEnd().split("\n").slice(-count).join("\n");
}

/** The last `count` lines of a file, read from its end; "" if there is no such file. */
export function tail(file: string, count = 15, window = 64 * 1024): string {
    if (!existsSync(file)) return "";
    const descriptor = openSync(file, "r");
    try {
        const end = fstatSync(descriptor).size;
        const buffer = Buffer.alloc(Math.min(end, window));
        readSync(descriptor, buffer, 0, buffer.length, end - buffer.length);
        const text = buffer.toString("utf8");
        // The first line of a window that does not start the file is cut: leave it out.
        return lastLines(end > window ? text.slice(text.indexOf("\n") + 1) : text, count);
    } finally {
        closeSync(descriptor);
    }
}
