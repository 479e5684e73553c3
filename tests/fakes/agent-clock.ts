// SPDX-License-Identifier: Apache-2.0
import type { Cancel, Clock } from "../../agent/clock";

interface Timer {
    atMs: number;
    order: number;
    run: () => void;
}

/** Time that moves only when told to; chance that is always the same. */
export class FakeClock implements Clock {
    private readonly timers = new Set<Timer>();
    private order = 0;

    constructor(
        public nowMs = Date.UTC(2026, 0, 1),
        public chance = 0,
    ) {}

    now(): number {
        return this.nowMs;
    }

    random(): number {
        return this.chance;
    }

    after(delayMs: number, run: () => void): Cancel {
        const timer = { atMs: this.nowMs + Math.max(0, delayMs), order: this.order++, run };
        this.timers.add(timer);
        return () => {
            this.timers.delete(timer);
        };
    }

    get waiting(): number {
        return this.timers.size;
    }

    /** Moves on, running what falls due in order, and lets promises settle before and after each. */
    async advance(milliseconds: number): Promise<void> {
        const endMs = this.nowMs + milliseconds;
        await settle();
        for (;;) {
            let nextMs = Infinity;
            this.timers.forEach(({ atMs }) => (nextMs = Math.min(nextMs, atMs)));
            if (nextMs > endMs) {
                break;
            }
            this.nowMs = Math.max(this.nowMs, nextMs);
            const due = [...this.timers].filter(({ atMs }) => atMs <= this.nowMs).sort((a, b) => a.order - b.order);
            due.forEach((timer) => {
                // One that ran before may have taken it back.
                if (this.timers.delete(timer)) {
                    timer.run();
                }
            });
            await settle();
        }
        this.nowMs = endMs;
        await settle();
    }
}

/** Lets promises settle, without time passing, until the condition holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
    for (let turn = 0; !condition(); turn++) {
        if (turn > 20_000) {
            throw new Error(`never: ${what}`);
        }
        await new Promise<void>((resolve) => setImmediate(resolve));
    }
}

/** Lets everything that waits for no timer go on. */
export async function settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
        await new Promise<void>((resolve) => setImmediate(resolve));
    }
}
