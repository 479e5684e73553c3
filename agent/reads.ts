// SPDX-License-Identifier: Apache-2.0
import { BindingKey, DenyReason } from "../api/kernel-message";
import type { Clock } from "./clock";
import { keyText, KernelEvent } from "./kernel";
import type { Log } from "./log";

const windowMs = 60_000;
const linesPerWindow = 5;

interface Denied {
    count: number;
    windowStartMs: number;
    lines: number;
    unlogged: number;
}

/** Counts and logs what the kernel tells of reads: a few lines a minute for each binding and reason, none with a secret. */
export class Reads {
    private readonly denied = new Map<string, Denied>();
    private grantedCount = 0;
    private deniedCount = 0;

    constructor(
        private readonly clock: Clock,
        private readonly log: Log,
    ) {}

    /** First reads of a credential by a process, since the agent started. */
    get grants(): number {
        return this.grantedCount;
    }

    /** Refused reads that the kernel told of, since the agent started. */
    get denials(): number {
        return this.deniedCount;
    }

    note(event: KernelEvent): void {
        switch (event.kind) {
            case "grant":
                this.grantedCount++;
                this.log.info("read", { binding: event.key.binding, ...event.reader });
                break;
            case "deny":
                this.deny(event.key, event.reason, event.reader);
                break;
            case "lost":
                this.log.warning("events were lost", { count: Number(event.count) });
                break;
            case "expire":
                this.log.info("wiped at expiry", { binding: event.key.binding });
                break;
        }
    }

    /** A binding is gone: forget its counts by reason. */
    forget(key: BindingKey): void {
        const prefix = `${keyText(key)} `;
        [...this.denied.keys()].filter((text) => text.startsWith(prefix)).forEach((text) => this.denied.delete(text));
    }

    private deny(key: BindingKey, reason: DenyReason, reader: { pid: number; uid: number; comm: string }): void {
        this.deniedCount++;
        const text = `${keyText(key)} ${reason}`;
        const now = this.clock.now();
        const entry = this.denied.get(text) ?? { count: 0, windowStartMs: now, lines: 0, unlogged: 0 };
        this.denied.set(text, entry);
        entry.count++;
        if (now - entry.windowStartMs >= windowMs) {
            entry.windowStartMs = now;
            entry.lines = 0;
        }
        if (entry.lines >= linesPerWindow) {
            entry.unlogged++;
            return;
        }
        entry.lines++;
        this.log.warning("read denied", {
            binding: key.binding,
            reason,
            ...reader,
            count: entry.count,
            ...(entry.unlogged > 0 ? { unlogged: entry.unlogged } : {}),
        });
        entry.unlogged = 0;
    }
}
