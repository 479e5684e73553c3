// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tail } from "../../lab/log-tail";

describe("the tail of a log", () => {
    let directory: string;
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "riptides-tail-"))));
    afterEach(() => rmSync(directory, { recursive: true }));
    const log = (text: string) => {
        const file = join(directory, "a.log");
        writeFileSync(file, text);
        return file;
    };

    it("is its last lines", () => assert.equal(tail(log("a\nb\nc\n\n"), 2), "b\nc"));
    it("is everything of a short log", () => assert.equal(tail(log("a\nb"), 5), "a\nb"));
    it("is empty for a log that is not there", () => assert.equal(tail(join(directory, "none.log")), ""));

    it("never starts in the middle of a line when only a window is read", () => {
        const file = log(Array.from({ length: 1000 }, (_, i) => `line ${i}`).join("\n"));
        const lines = tail(file, 1000, 100).split("\n");
        assert.ok(lines.length > 1 && lines.every((line) => /^line \d{3}$/.test(line)), lines[0]);
        assert.equal(lines.at(-1), "line 999");
    });
});
