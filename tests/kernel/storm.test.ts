// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { Machine } from "./machine";

/** `$RIPTIDES_STORM_SECONDS` makes it long; docs/kernel.md records such a run. */
const seconds = Number(process.env.RIPTIDES_STORM_SECONDS ?? 20);

describe("kernel module: storm", function () {
    this.timeout((seconds + 400) * 1_000);
    let machine: Machine;

    before(async () => {
        machine = await Machine.start();
    });
    after(() => machine.stop());

    it(`gives nobody another's content in ${seconds} s of commits, rotations, expiries, deaths and reloads`, async () => {
        const counts = await machine.storm(seconds, seconds);
        assert.deepEqual([counts.wrong, counts.other], [0, 0], JSON.stringify(counts));
        for (const name of [
            "right",
            "refused",
            "empty",
            "expired",
            "gone",
            "commits",
            "publishes",
            "wipes",
            "killed",
            "loads",
        ]) {
            assert.ok(counts[name]! > 0, `${name} never happened: ${JSON.stringify(counts)}`);
        }
        console.log(`        ${JSON.stringify(counts)}`);
    });
});
