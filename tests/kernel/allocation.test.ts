// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import {
    encodeBegin,
    encodeBinding,
    encodeBlobGet,
    encodeBlobPut,
    encodeCommit,
    encodeCredential,
    encodeHello,
    encodeStatsGet,
} from "../../api/kernel-message";
import { act, content, countsOf, fileOf, inFile, keyOf, Machine, write } from "./machine";

// Only a kernel built with fault injection can run this; docs/kernel.md records when it was.
if (process.env.RIPTIDES_FAULT_INJECTION === "1") {
    describe("kernel module: every allocation fails once", function () {
        this.timeout(600_000);
        let machine: Machine;
        const uid = 1001;
        const binding = (name: string) => encodeBinding(2n, keyOf(name), [{ uid, cgroup: "/a/b" }, { uid }], inFile);
        const empty = [encodeBegin(2n, 1n, 0, 0), encodeCommit(2n, 1n)];
        const begin = encodeBegin(2n, 2n, 2, 0);

        before(async () => {
            machine = await Machine.start();
        });
        after(() => machine.stop());

        const failing = async (...frames: Buffer[]) => {
            const opening = [{ do: "open" as const }, write(encodeHello(1n, "test")), { do: "read" as const }];
            const answers = await machine.device(...opening, { do: "nth", frames });
            const counts = countsOf(answers.at(-1)!.text);
            assert.equal(counts.other, 0, answers.at(-1)!.text);
            assert.ok(counts.failed! > 0 && counts.refused! > 0 && counts.taken! > 0, answers.at(-1)!.text);
        };

        it("while a table is staged", async () => {
            await failing(begin);
            await failing(begin, binding("a"));
        });

        it("while a table is put in force: all of it or none", async () => {
            await failing(...empty, begin, binding("a"), binding("b"), encodeCommit(2n, 2n));
            assert.equal((await machine.health()).bindings, 2);
        });

        it("while a content is published, the blob kept, a reply made", async () => {
            await machine.bind({ b: { uid: 0, sha256: await machine.sha256(act) } });
            await failing(encodeCredential(3n, keyOf("b"), Date.now() + 3_600_000, Buffer.from(content)));
            await failing(encodeBlobPut(4n, Buffer.alloc(1_000)));
            await failing(encodeBlobGet(5n));
            await failing(encodeStatsGet(6n));
        });

        it("while a bound process reads", async () => {
            const lines = await machine.act(`open=${fileOf("b")}`, "nth=4096");
            const counts = countsOf(lines.at(-1)!);
            assert.equal(counts.other, 0, lines.join("; "));
            assert.ok(counts.failed! > 0 && counts.refused! > 0, lines.join("; "));
        });
    });
}
