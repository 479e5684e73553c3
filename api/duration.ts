// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "./failure";

const unitMilliseconds: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy;

/** What a program may write for a duration: `"15m"`, `"1h30m"`, `"900s"`, or a whole number of seconds (`900`, `"900"`). */
export type DurationLike = Duration | string | number;

/**
 * A length of time with its unit. Immutable; compared and printed by value.
 *
 * Text follows Go's duration syntax (the one OpenBao takes), with `d` for 24 hours.
 */
export class Duration {
    private constructor(public readonly milliseconds: number) {}

    /** @param value seconds, 0 or more. */
    static seconds(value: number): Duration {
        return Duration.milliseconds(value * 1_000);
    }

    /** @param value milliseconds, 0 or more. */
    static milliseconds(value: number): Duration {
        if (!Number.isFinite(value) || value < 0) {
            throw new RiptidesError("InvalidDuration", { reason: `a duration must be 0 or more, got ${value}` });
        }
        return new Duration(Math.round(value));
    }

    /**
     * Reads a duration.
     * @param property named in the error, so that the user sees which field is wrong.
     * @throws RiptidesError `InvalidDuration`.
     */
    static parse(value: DurationLike, property?: string): Duration {
        if (value instanceof Duration) {
            return value;
        }
        const text = String(value).trim();
        if (/^\d+$/.test(text)) {
            return Duration.seconds(Number(text));
        }
        let total = 0;
        let end = 0;
        part.lastIndex = 0;
        for (let match = part.exec(text); match; match = part.exec(text)) {
            total += Number(match[1]) * unitMilliseconds[match[2] as string]!;
            end = part.lastIndex;
        }
        if (end === 0 || end !== text.length || !Number.isFinite(total)) {
            throw new RiptidesError("InvalidDuration", {
                property,
                reason: `${JSON.stringify(value)} is not a duration`,
            });
        }
        return Duration.milliseconds(total);
    }

    /** Whole seconds, rounded down. */
    get wholeSeconds(): number {
        return Math.floor(this.milliseconds / 1_000);
    }

    /** `-1`, `0` or `1`, for sorting. */
    compare(other: Duration): number {
        return Math.sign(this.milliseconds - other.milliseconds);
    }

    equals(other: Duration): boolean {
        return this.milliseconds === other.milliseconds;
    }

    plus(other: Duration): Duration {
        return Duration.milliseconds(this.milliseconds + other.milliseconds);
    }

    times(factor: number): Duration {
        return Duration.milliseconds(this.milliseconds * factor);
    }

    /** Canonical text: the largest units first, for example `1h30m` or `0s`. Parses back to an equal value. */
    toString(): string {
        let rest = this.milliseconds;
        let text = "";
        for (const unit of ["h", "m", "s", "ms"]) {
            const size = unitMilliseconds[unit]!;
            const count = Math.floor(rest / size);
            if (count > 0) {
                text += `${count}${unit}`;
                rest -= count * size;
            }
        }
        return text || "0s";
    }

    toJSON(): string {
        return this.toString();
    }
}
