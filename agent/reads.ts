// SPDX-License-Identifier: Apache-2.0
import { BindingKey, DenyReason } from "../api/kernel-message";
import type { Clock } from "./clock";
import { keyText, KernelEvent } from "./kernel";
import { LineLimit } from "./line-limit";
import type { Log } from "./log";

/** Counts and logs what the kernel tells of reads: a few lines a minute for each binding and reason, none with a secret. */
export class Reads {
    private readonly lines: LineLimit;
    private grantedCount = 0;
    private deniedCount = 0;

    constructor(
        clock: Clock,
        private readonly log: Log,
    ) {
        this.lines = new LineLimit(clock);
    }

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
        this.lines.forget(`${keyText(key)} `);
    }

    private deny(key: BindingKey, reason: DenyReason, reader: { pid: number; uid: number; comm: string }): void {
        this.deniedCount++;
        const line = this.lines.next(`${keyText(key)} ${reason}`);
        if (line) {
            this.log.warning("read denied", { binding: key.binding, reason, ...reader, ...line });
        }
    }
}
