// SPDX-License-Identifier: Apache-2.0

/** Takes a scheduled call back; does nothing once it has run. */
export type Cancel = () => void;

/** Time and chance, so that tests decide both. */
export interface Clock {
    /** Unix time in milliseconds. */
    now(): number;
    /** Runs `run` once, `delayMs` (0 or more, of any size) from now. */
    after(delayMs: number, run: () => void): Cancel;
    /** A number from 0 to below 1. */
    random(): number;
}

// A longer setTimeout fires at once.
const longestTimer = 2_147_483_647;

/** The machine's clock. */
export const systemClock: Clock = {
    now: () => Date.now(),
    random: () => Math.random(),
    after(delayMs, run) {
        let timer: NodeJS.Timeout;
        const wait = (restMs: number) => {
            const step = Math.min(restMs, longestTimer);
            timer = setTimeout(() => (restMs > step ? wait(restMs - step) : run()), step);
        };
        wait(Math.max(0, delayMs));
        return () => clearTimeout(timer);
    },
};
