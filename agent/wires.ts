// SPDX-License-Identifier: Apache-2.0
import type { BindingKey } from "../api/kernel-message";
import type { CredentialBindingStatus } from "../api";
import type { Cancel, Clock } from "./clock";
import { keyText, WireEvent } from "./kernel";
import { LineLimit } from "./line-limit";
import type { Log } from "./log";
import { fadesAtMs, forgetful, quiet, WireActivity, withEvent } from "./wire-activity";

// A process in a loop makes an event a second: its status is written seldom, the first news soon.
const newsMs = 1_000;
const restMs = 30_000;

interface Wire {
    activity: WireActivity;
    /** For news. */
    timer?: Cancel;
    /** For what is to be forgotten. */
    fading?: Cancel;
    toldMs: number;
}

/** Follows what happens on the wire of each binding, logs it in few lines, and tells of it seldom. */
export class Wires {
    private readonly wires = new Map<string, Wire>();
    private readonly lines: LineLimit;

    constructor(
        private readonly clock: Clock,
        private readonly log: Log,
        /** The activity of a binding has changed. */
        private readonly onNews: (binding: string) => void,
    ) {
        this.lines = new LineLimit(clock);
    }

    /** Begins with the counts that an earlier agent wrote. */
    begin(key: BindingKey, status: CredentialBindingStatus["injection"]): void {
        const text = keyText(key);
        if (!this.wires.has(text)) {
            this.wires.set(text, { activity: told(status, this.clock.now()), toldMs: -Infinity });
        }
    }

    of(key: BindingKey): WireActivity {
        const wire = this.wires.get(keyText(key));
        if (!wire) {
            return quiet;
        }
        wire.activity = forgetful(wire.activity, this.clock.now());
        return wire.activity;
    }

    note(event: WireEvent): void {
        this.write(event);
        const wire = this.wires.get(keyText(event.key));
        if (wire) {
            wire.activity = withEvent(wire.activity, event);
            this.soon(event.key.binding, wire);
        }
    }

    /** A binding is gone. */
    forget(key: BindingKey): void {
        const text = keyText(key);
        quieten(this.wires.get(text));
        this.wires.delete(text);
        this.lines.forget(`${text} `);
    }

    stop(): void {
        this.wires.forEach(quieten);
    }

    private soon(binding: string, wire: Wire): void {
        if (wire.timer) {
            return;
        }
        const waitMs = Math.max(newsMs, wire.toldMs + restMs - this.clock.now());
        wire.timer = this.clock.after(waitMs, () => {
            wire.timer = undefined;
            wire.toldMs = this.clock.now();
            this.onNews(binding);
            wire.fading?.();
            const fadesMs = fadesAtMs(wire.activity) - this.clock.now();
            wire.fading = fadesMs < Infinity ? this.clock.after(fadesMs, () => this.onNews(binding)) : undefined;
        });
    }

    private write({ key, what, error, host, port, process }: WireEvent): void {
        const line = this.lines.next(`${keyText(key)} ${what}`);
        if (line) {
            const about = { binding: key.binding, what, host, port, ...process, ...line };
            if (what === "injected") {
                this.log.info("injected", about);
            } else {
                this.log.warning("not injected", { ...about, ...(error ? { errno: error } : {}) });
            }
        }
    }
}

function quieten(wire: Wire | undefined): void {
    wire?.timer?.();
    wire?.fading?.();
}

function told(status: CredentialBindingStatus["injection"], nowMs: number): WireActivity {
    if (!status) {
        return quiet;
    }
    const { injected, refused, ownTls, lastError, lastInjectedAt } = status;
    return {
        ...quiet,
        injected,
        refused,
        ...(ownTls ? { ownTlsAtMs: nowMs } : {}),
        ...(lastError === undefined ? {} : { lastError }),
        ...(lastInjectedAt === undefined ? {} : { lastInjectedAtMs: Date.parse(lastInjectedAt) }),
    };
}
