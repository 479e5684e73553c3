// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "./clock";

const windowMs = 60_000;
const linesPerWindow = 5;

interface Entry {
    count: number;
    windowStartMs: number;
    lines: number;
    unlogged: number;
}

/** Lets a few log lines a minute through for each subject, and counts the others. */
export class LineLimit {
    private readonly entries = new Map<string, Entry>();

    constructor(private readonly clock: Pick<Clock, "now">) {}

    /** What to add to the line: how often it happened, and how many lines were held back; `undefined`: hold it back. */
    next(subject: string): { count: number; unlogged?: number } | undefined {
        const now = this.clock.now();
        const entry = this.entries.get(subject) ?? { count: 0, windowStartMs: now, lines: 0, unlogged: 0 };
        this.entries.set(subject, entry);
        entry.count++;
        if (now - entry.windowStartMs >= windowMs) {
            entry.windowStartMs = now;
            entry.lines = 0;
        }
        if (entry.lines >= linesPerWindow) {
            entry.unlogged++;
            return undefined;
        }
        entry.lines++;
        const { count, unlogged } = entry;
        entry.unlogged = 0;
        return { count, ...(unlogged > 0 ? { unlogged } : {}) };
    }

    /** Forgets all subjects that begin so. */
    forget(prefix: string): void {
        [...this.entries.keys()].filter((text) => text.startsWith(prefix)).forEach((text) => this.entries.delete(text));
    }
}
