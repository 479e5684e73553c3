// SPDX-License-Identifier: Apache-2.0
import { Duration, type RiptidesError } from "../../api";

/** Time, so that a test need not wait. */
export interface Clock {
    /** Resolves after the duration; rejects when the signal aborts. */
    after(duration: Duration, signal: AbortSignal): Promise<void>;
}

/** Gives a value each time it may have changed, beginning with the present one. */
export interface Source<Value> {
    observe(signal: AbortSignal): AsyncIterable<Value>;
}

/** What a value means: it is there, it is not there yet (with the text for the status row), or it went wrong. */
export type Verdict<Result> =
    | { kind: "ready"; result: Result }
    | { kind: "waiting"; status: string }
    | { kind: "failed"; status: string; failure: RiptidesError };

/** Judges a value. Pure. */
export type Condition<Value, Result> = (value: Value) => Verdict<Result>;

/** How long to wait. */
export interface Patience {
    timeout: Duration;
    /** How long a failure may last before it counts: things pass through failures on their way. */
    grace: Duration;
    clock: Clock;
    /** Ends the wait from outside. */
    signal: AbortSignal;
    /** Receives each new status text. */
    status: (text: string) => void;
}

/** The time is up. Holds the last verdict. */
export class TimedOut extends Error {
    constructor(
        readonly timeout: Duration,
        readonly last: Verdict<unknown> | undefined,
    ) {
        super(`not ready within ${timeout}`);
    }
}

/**
 * Waits until the condition holds.
 * @throws the failure that lasted longer than the grace, TimedOut, or the signal's reason
 */
export async function waitFor<Value, Result>(
    source: Source<Value>,
    condition: Condition<Value, Result>,
    { timeout, grace, clock, signal, status }: Patience,
): Promise<Result> {
    const end = new AbortController();
    const stop = AbortSignal.any([end.signal, signal]);
    let last: Verdict<Result> | undefined;
    let failing: { failure: RiptidesError; mended: AbortController } | undefined;
    let shown: string | undefined;
    return new Promise<Result>((resolve, reject) => {
        // What comes after the first end is of no interest; `stop` makes the timers and the source give up.
        const unlessStopped = (then: () => void) => () => {
            if (!stop.aborted) {
                then();
            }
        };
        const later = (duration: Duration, until: AbortSignal, then: () => void) =>
            clock.after(duration, until).then(unlessStopped(then), () => undefined);
        const judge = (verdict: Verdict<Result>): void => {
            last = verdict;
            if (verdict.kind === "ready") {
                resolve(verdict.result);
                end.abort();
                return;
            }
            if (verdict.status !== shown) {
                shown = verdict.status;
                status(shown);
            }
            if (verdict.kind === "waiting") {
                failing?.mended.abort();
                failing = undefined;
            } else if (failing) {
                failing.failure = verdict.failure;
            } else {
                const now = (failing = { failure: verdict.failure, mended: new AbortController() });
                void later(grace, AbortSignal.any([stop, now.mended.signal]), () => reject(now.failure));
            }
        };
        const follow = async () => {
            for await (const value of source.observe(stop)) {
                if (stop.aborted) {
                    return;
                }
                judge(condition(value));
            }
            throw new Error("the source ended before the condition held");
        };
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        if (signal.aborted) {
            reject(signal.reason as Error);
            return;
        }
        void later(timeout, stop, () => reject(new TimedOut(timeout, last)));
        follow().catch((error: unknown) => reject(error as Error));
    }).finally(() => end.abort());
}

/** The clock on the wall. */
export const wallClock: Clock = {
    after(duration, signal) {
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                signal.removeEventListener("abort", abort);
                resolve();
            }, duration.milliseconds);
            function abort(): void {
                clearTimeout(timer);
                reject(signal.reason as Error);
            }
            if (signal.aborted) {
                abort();
            } else {
                signal.addEventListener("abort", abort, { once: true });
            }
        });
    },
};
