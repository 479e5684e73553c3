// SPDX-License-Identifier: Apache-2.0
import type { Duration } from "../../api";
import type { Clock } from "../../provider/wait/wait";

/** Time that passes when the test says so. */
export class ProviderClock implements Clock {
    #now = 0;
    #timers: { at: number; fire: () => void }[] = [];

    after(duration: Duration, signal: AbortSignal): Promise<void> {
        return new Promise((resolve, reject) => {
            const timer = { at: this.#now + duration.milliseconds, fire: resolve };
            this.#timers.push(timer);
            signal.addEventListener("abort", () => {
                this.#timers = this.#timers.filter((other) => other !== timer);
                reject(signal.reason as Error);
            });
        });
    }

    /** Timers that wait. */
    get pending(): number {
        return this.#timers.length;
    }

    /** Lets time pass, and everything that follows from it happen. */
    async pass(duration: Duration): Promise<void> {
        this.#now += duration.milliseconds;
        const due = this.#timers.filter((timer) => timer.at <= this.#now);
        this.#timers = this.#timers.filter((timer) => timer.at > this.#now);
        due.sort((a, b) => a.at - b.at).forEach((timer) => timer.fire());
        await settle();
    }
}

/** Lets every promise that can be settled settle. */
export async function settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
}
