// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Lab, open } from "../../lab";
import { AwsSigV4 } from "./aws-sigv4";

describe("e2e: plain requests to S3 are signed in the kernel", function () {
    this.timeout(10 * 60_000);
    // Each step stands on the one before it.
    this.bail(true);
    let lab: Lab;
    let scenario: AwsSigV4;

    before(async () => {
        lab = await open(process.env["RIPTIDES_LAB"]);
        scenario = await AwsSigV4.begin(lab);
    });

    it("given credentials in OpenBao, when up runs, then the binding is OK and outputs tell where it signs", () =>
        scenario.up());
    it("given the binding, when the bound process puts and gets an object, then the store verifies each signature", () =>
        scenario.use());
    it("given rules, when the bound process deletes the object, then it gets EACCES, nothing leaves and it is counted", () =>
        scenario.refuse());
    it("given requests that are signed, then no secret is in the process and none, nor a request, in a capture", () =>
        scenario.secrecy());
    it("given the binding, when other processes write the same, then they get no signature", () => scenario.unbound());
    it("given another credential, when it is fetched, then the next request is signed with it", () =>
        scenario.rotate());
    it("given all that was printed, stored and logged, then no secret is in it", async () => {
        const texts = [
            scenario.stack.printed.join(""),
            ...readdirSync(scenario.stack.stateDirectory, { recursive: true, withFileTypes: true })
                .filter((entry) => entry.isFile())
                .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1")),
            ...readdirSync(lab.dir)
                .filter((name) => name.endsWith(".log"))
                .map((name) => readFileSync(join(lab.dir, name), "latin1")),
            (await lab.node.exec("journalctl --no-pager; dmesg")).stdout,
        ];
        assert.ok(texts.length > 3);
        assert.equal(texts.filter((text) => scenario.secretsIn(text) > 0).length, 0);
    });
    it("given the stack, when destroy runs, then no agent or module is left", () => scenario.destroy());
});
