// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { VaultFailure } from "../../agent/vault";
import { until } from "../fakes/agent-clock";
import { FakeNode } from "../fakes/agent-node";

const count = 1_000;
const minute = 60_000;

describe("agent: a thousand bindings", () => {
    let node: FakeNode;

    beforeEach(async () => {
        node = new FakeNode();
        node.source();
        node.identity();
        for (let index = 0; index < count; index++) {
            node.binding(`keys-${index}`);
        }
    });

    const delivered = () =>
        until(() => node.cluster.writes.filter(({ status }) => status.state === "OK").length >= count, "all delivered");

    it("start with a few requests at a time, in one table, with one status each", async () => {
        await node.start();
        await delivered();

        assert.equal(node.vault.liveKeys.length, count);
        assert.equal(node.vault.mostAtOnce, 4);
        assert.equal(node.kernel.commits, 1);
        assert.equal(node.cluster.writes.length, count);
    }).timeout(20_000);

    it("go on after a restart without a request", async () => {
        await node.start();
        await delivered();
        const requests = node.vault.requests.length;

        await node.restart();
        await node.clock.advance(minute);

        assert.equal(node.vault.requests.filter((line) => line !== "close").length, requests);
        assert.equal(node.cluster.writes.length, count);
    }).timeout(20_000);

    it("inject, each into a Service of its own, in one table", async () => {
        for (let index = 0; index < count; index++) {
            const service = { service: `s${index}` };
            const addresses = [{ address: `s${index}.example.org` }];
            node.service(`openai-${index}`, { labels: { api: "openai", ...service }, addresses });
            node.wireBinding(`keys-${index}`, { selectors: [{ api: "openai", ...service }] });
        }
        await node.start();
        await delivered();

        assert.equal(node.kernel.commits, 1);
        assert.ok(node.kernel.table.every(({ injections }) => injections.length === 1));
        assert.equal(node.cluster.writes.length, count);
    }).timeout(20_000);

    it("do not storm a server that is away", async () => {
        node.vault.faults.login = new VaultFailure("VaultUnreachable", { reason: "ECONNREFUSED" }, "server");

        await node.start();
        await node.clock.advance(5 * minute);

        assert.ok(node.count("login") < 150, `${node.count("login")} logins in five minutes`);
        assert.equal(node.cluster.status("keys-999")?.reason, "VaultUnreachable");
        node.vault.faults = {};
        await node.clock.advance(40_000);
        await delivered();
        assert.equal(node.vault.keysMade, count);
    }).timeout(60_000);
});
