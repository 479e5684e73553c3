// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning, start, startTicks, stop, untilReady } from "../../lab/part";

describe("a part of the lab", () => {
    let directory: string;
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "riptides-part-"))));
    afterEach(() => rmSync(directory, { recursive: true }));
    const sh = (script: string) => start(directory, { name: "p", file: "/bin/sh", args: ["-c", script] });

    it("runs until it is stopped, and leaves its log but no pid file", async () => {
        const part = await sh("echo hello; exec sleep 60");
        await untilReady(part, "no line", 5000, async () => readFileSync(part.log, "utf8") === "hello\n");
        assert.ok(isRunning(part));
        assert.equal(readFileSync(join(directory, "p.pid"), "utf8"), `${part.pid}\n`);
        await stop(part, directory);
        assert.equal(isRunning(part), false);
        assert.equal(existsSync(join(directory, "p.pid")), false);
        assert.equal(readFileSync(part.log, "utf8"), "hello\n");
    });

    it("is ended by force when it does not listen", async () => {
        const part = await sh("trap '' TERM; echo deaf; while :; do sleep 1; done");
        await untilReady(part, "no line", 5000, async () => readFileSync(part.log, "utf8") === "deaf\n");
        await stop(part, directory, 300);
        assert.equal(isRunning(part), false);
    });

    it("that ends while starting is reported with the last lines of its log", async () => {
        const part = await sh("echo first; echo cannot bind 1>&2; exit 3");
        await assert.rejects(
            untilReady(part, "no answer", 5000, async () => false),
            /p ended while starting\. Last lines of .*p\.log:\nfirst\ncannot bind$/s,
        );
    });

    it("that never answers is reported with what was waited for", async () => {
        const part = await sh("exec sleep 60");
        await assert.rejects(
            untilReady(part, "no answer", 300, async () => false),
            /p no answer within 0\.3 s/,
        );
        await stop(part, directory);
    });

    it("is not mistaken for another process with its pid", async () => {
        const other = { name: "p", pid: process.pid, startTicks: "1", log: "" };
        assert.equal(isRunning(other), false);
        await stop(other, directory);
        assert.ok(startTicks(process.pid));
    });

    it("does not inherit this process's environment", async () => {
        process.env.CANARY = "secret";
        const part = await sh("env; echo end");
        await untilReady(part, "no end", 5000, async () => readFileSync(part.log, "utf8").includes("end\n")).finally(
            () => delete process.env.CANARY,
        );
        assert.doesNotMatch(readFileSync(part.log, "utf8"), /CANARY/);
    });
});
