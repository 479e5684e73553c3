// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labDirectory } from "../../lab/paths";
import { readState, writeState, type LabState } from "../../lab/state";

describe("a lab's state file", () => {
    let directory: string;
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "riptides-state-"))));
    afterEach(() => rmSync(directory, { recursive: true }));
    const state = {
        version: 1,
        name: "x",
        ready: true,
        bao: { token: "t", unsealKey: "u" },
        parts: [],
    } as unknown as LabState;

    it("reads back what was written, for its owner only", () => {
        writeState(directory, state);
        assert.deepEqual(readState(directory), state);
        assert.equal(statSync(join(directory, "state.json")).mode & 0o777, 0o600);
        assert.deepEqual(readdirSync(directory), ["state.json"]);
    });

    it("is undefined where no lab was", () => assert.equal(readState(directory), undefined));

    it("names itself when it is damaged or of another version", () => {
        writeFileSync(join(directory, "state.json"), "{");
        assert.throws(() => readState(directory), /state\.json is not JSON/);
        writeFileSync(join(directory, "state.json"), '{"version":2}');
        assert.throws(() => readState(directory), /another version \(2\)/);
    });

    it("stays below .lab/ whatever the lab is called", () => {
        for (const name of ["..", "a/b", "", "A", "-x"]) assert.throws(() => labDirectory(name), /must match/);
        assert.equal(existsSync(labDirectory("no-such-lab")), false);
    });
});
