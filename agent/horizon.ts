// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "./clock";

/** Times of one credential, Unix milliseconds. */
export interface Horizon {
    /** When it dies: the earlier end of its lease and of the token that bought it. */
    expiresAtMs: number;
    /** When to fetch the next one. */
    refreshAtMs: number;
}

/**
 * When a credential ends and when to replace it.
 *
 * OpenBao ends a lease with its token, though the answer still states the lease's own length; so the shorter one counts.
 * @param loginAtMs before the login was sent
 * @param tokenTtlMs of the login's answer; 0 when the token does not expire
 * @param readAtMs before the read was sent
 * @param leaseMs of the read's answer; 0 when there is no lease (a static secret)
 */
export function horizon(
    loginAtMs: number,
    tokenTtlMs: number,
    readAtMs: number,
    leaseMs: number,
    clock: Pick<Clock, "random">,
): Horizon {
    const ends = [...(tokenTtlMs > 0 ? [loginAtMs + tokenTtlMs] : []), ...(leaseMs > 0 ? [readAtMs + leaseMs] : [])];
    const expiresAtMs = ends.length > 0 ? Math.min(...ends) : readAtMs + staticLifeMs;
    const lifeMs = Math.max(0, expiresAtMs - readAtMs);
    return { expiresAtMs, refreshAtMs: Math.round(readAtMs + ((lifeMs * 2) / 3) * (1 - clock.random() / 10)) };
}

// A secret without lease or token end is read again as often as tokenex polls one.
const staticLifeMs = 22.5 * 60_000;

const shortestOverlapMs = 2_000;
const longestOverlapMs = 10_000;

/**
 * How long the replaced credential stays alive after the next one is in the kernel: a tenth of the new one's life,
 * from 2 to 10 seconds, so that a process that has just read the old one can finish its request.
 */
export function overlapMs(lifeMs: number): number {
    return Math.min(longestOverlapMs, Math.max(shortestOverlapMs, Math.round(lifeMs / 10)));
}
