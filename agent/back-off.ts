// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "./clock";

/** How long to wait between tries: doubling from `firstMs` to `longestMs`, less a random part of up to half. */
export interface BackOff {
    firstMs: number;
    longestMs: number;
}

/** For OpenBao: a fault mended by a person is noticed within half a minute. */
export const exchangeBackOff: BackOff = { firstMs: 1_000, longestMs: 30_000 };

/** For the Kubernetes API. */
export const clusterBackOff: BackOff = { firstMs: 500, longestMs: 30_000 };

const longestRetryAfterMs = 600_000;

/**
 * Milliseconds to wait before the next try.
 * @param failures tries that have failed in a row, 1 or more
 * @param retryAfterMs what the server asked for; honoured up to ten minutes
 */
export function delayMs(backOff: BackOff, failures: number, clock: Pick<Clock, "random">, retryAfterMs = 0): number {
    const full = Math.min(backOff.longestMs, backOff.firstMs * 2 ** Math.min(failures - 1, 30));
    const jittered = full * (1 - clock.random() / 2);
    // A whole fleet is told the same Retry-After: spread it, but never come before it.
    const asked = Math.min(retryAfterMs, longestRetryAfterMs);
    return Math.round(asked > 0 ? Math.max(jittered, asked + clock.random() * backOff.firstMs) : jittered);
}
