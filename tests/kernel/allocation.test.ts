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
import { act, content, countsOf, fileOf, inFile, keyOf, Machine, place, write } from "./machine";
import { bearerOf, ports, Wire } from "./wire";

// Only a kernel built with fault injection can run this; docs/kernel-debug-run.md records when it was.
if (process.env.RIPTIDES_GUEST === "debug") {
    /** Makes every kind of allocation one that fail-nth counts, and a failing one no line in the kernel's log. */
    const prepare = (machine: Machine) =>
        machine.sh(
            "cd /sys/kernel/debug; for kind in failslab fail_page_alloc; do echo N >$kind/ignore-gfp-wait; echo 0 >$kind/verbose; done; echo 0 >fail_page_alloc/min-order",
        );

    describe("kernel module: every allocation fails once", function () {
        this.timeout(600_000);
        let machine: Machine;
        const uid = 1001;
        const binding = (name: string) => encodeBinding(2n, keyOf(name), [{ uid, cgroup: "/a/b" }, { uid }], inFile);
        const empty = [encodeBegin(2n, 1n, 0, 0), encodeCommit(2n, 1n)];
        const begin = encodeBegin(2n, 2n, 2, 0);

        before(async () => {
            machine = await Machine.start();
            await prepare(machine);
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

    describe("kernel module: every allocation of a request on the wire fails once", function () {
        this.timeout(1_800_000);
        let wire: Wire;
        let seen: string[];
        const uid = 61_001;
        const count = (line: string) => {
            const { failed, served } = countsOf(line);
            const ends = [...line.matchAll(/\w+\.\w+=(\d+)/g)].map((match) => Number(match[1]));
            return { failed: failed!, served: served!, refused: ends.reduce((sum, each) => sum + each, 0) };
        };

        before(async () => {
            wire = await Wire.start({ bound: { uid } }, ["starve"]);
            await prepare(wire.machine);
            const output = await wire.machine.sh(`${place}/starve ${uid} ${ports.good} /starved`);
            seen = output.trim().split("\n");
            console.log(seen.map((line) => `        ${line}`).join("\n"));
        });
        after(() => wire.stop());

        ["connect", "send", "recv"].forEach((call, index) => {
            it(`of ${call}(): the request is answered, or refused with an errno`, () => {
                const { failed, served, refused } = count(seen[index]!);
                assert.ok(seen[index]!.startsWith(`${call} `) && failed > 0 && served > 0, seen[index]);
                // The last round has no failure: it shows that the others were refused for theirs.
                assert.ok(refused <= failed, seen[index]);
                assert.doesNotMatch(seen[index]!, /\.odd=/);
            });
        });

        it("of what the connection is carried with: connect() goes on, and nothing can be sent", () => {
            assert.match(seen[0]!, / send\.EPIPE=1\b/);
        });

        it("and nothing of any leaves outside TLS or without the key", async () => {
            const arrivals = await wire.journal();
            assert.deepEqual(
                arrivals.filter(({ what }) => what === "plain"),
                [],
            );
            const requests = arrivals.filter(({ what, target }) => what === "request" && target === "/starved");
            const served = seen.reduce((sum, line) => sum + count(line).served, 0);
            assert.ok(requests.length >= served && served > 0, `${requests.length} requests, ${served} answered`);
            for (const { authorization } of requests) assert.deepEqual(authorization, [`Bearer ${bearerOf("bound")}`]);
        });
    });
}
