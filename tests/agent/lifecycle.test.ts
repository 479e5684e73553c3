// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { drain } from "../../agent/drain";
import { jsonLog } from "../../agent/log";
import { VaultFailure } from "../../agent/vault";
import { agentId, FakeNode } from "../fakes/agent-node";

const minute = 60_000;

describe("agent: life of a binding", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
    });

    it("ends the key at once when the binding is deleted", async () => {
        await node.deliver();

        node.cluster.remove("bindings", "keys");
        await node.clock.advance(100);

        assert.equal(node.key(), undefined);
        assert.deepEqual(node.kernel.table, []);
        assert.deepEqual(node.vault.liveKeys, []);
    });

    it("ends the key when the workload is bound to another node", async () => {
        await node.deliver();

        node.identity("ai-agent", { scope: { agent: { id: "riptides/daemon/another" } } });
        await node.clock.advance(100);

        assert.deepEqual(node.vault.liveKeys, []);
        assert.equal(node.key(), undefined);
    });

    it("ends the key later when OpenBao is away at that moment", async () => {
        await node.deliver();
        node.vault.faults.revoke = new VaultFailure("VaultUnreachable", { reason: "ECONNREFUSED" }, "server");

        node.cluster.remove("bindings", "keys");
        await node.clock.advance(5_000);
        assert.equal(node.vault.liveKeys.length, 1);
        node.vault.faults = {};
        await node.clock.advance(30_000);

        assert.deepEqual(node.vault.liveKeys, []);
    });

    for (const [what, change] of [
        ["path", (node: FakeNode) => node.source("vault-keys", { path: "openai/creds/other" })],
        ["role", (node: FakeNode) => node.source("vault-keys", { role: "other" })],
        [
            "source",
            (node: FakeNode) => (
                node.source("other", { namespace: "team" }),
                node.binding("keys", { credentialSource: "other" })
            ),
        ],
        ["refresh trigger", (node: FakeNode) => node.binding("keys", { refreshTrigger: "2" })],
    ] as const) {
        it(`fetches a new key when the ${what} changes, and ends the old one after it`, async () => {
            await node.deliver();

            change(node);
            await node.clock.advance(500);
            assert.equal(node.key(), "sk-svcacct-2");
            assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-1", "sk-svcacct-2"]);
            await node.clock.advance(10_000);

            assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
        });
    }

    it("keeps the key when only the selectors change", async () => {
        await node.deliver();

        node.identity("ai-agent", { selectors: [{ "process:uid": 1000 }] });
        await node.clock.advance(100);

        assert.equal(node.kernel.table[0]!.alternatives[0]!.uid, 1000);
        assert.equal(node.vault.keysMade, 1);
    });

    it("gives an object made anew under the same name a new key and its own status", async () => {
        await node.deliver();

        node.cluster.remove("bindings", "keys");
        node.binding();
        await node.clock.advance(11_000);

        assert.equal(node.key(), "sk-svcacct-2");
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
        assert.equal(node.cluster.status("keys")?.state, "OK");
    });

    it("goes on with the living key after a restart", async () => {
        await node.deliver();

        await node.restart();
        await node.clock.advance(5 * minute);

        assert.equal(node.vault.keysMade, 1);
        assert.equal(node.key(), "sk-svcacct-1");
        await node.clock.advance(6 * minute);
        assert.equal(node.key(), "sk-svcacct-2", "the refresh comes when it was due");
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
    });

    it("ends after a restart what was unbound while no agent ran", async () => {
        await node.deliver();

        await node.restart(() => node.cluster.remove("bindings", "keys"));

        assert.deepEqual(node.vault.liveKeys, []);
        assert.deepEqual(node.kernel.table, []);
    });

    it("ends after a restart a key that was bought but not delivered", async () => {
        node.source();
        node.identity();
        node.binding();
        let open = () => undefined as void;
        await node.start();
        assert.equal(node.vault.keysMade, 1);
        node.binding("keys", { refreshTrigger: "now" });
        node.vault.gate = new Promise((resolve) => (open = resolve));
        await node.clock.advance(100);
        const underWay = node.count("login");

        await node.restart(async () => {
            open();
            node.vault.gate = Promise.resolve();
            await node.clock.advance(0);
        });
        await node.clock.advance(11_000);

        assert.equal(underWay, 2);
        assert.equal(node.vault.liveKeys.length, 1);
        assert.ok(node.vault.liveKeys.includes(node.key()!));
    });

    it("does not touch the kernel's table before all of the cluster is known", async () => {
        await node.deliver();
        await node.agent.stop();
        const { commits } = node.kernel;
        node.cluster.watch = () => undefined;

        await node.start();
        await node.clock.advance(minute);

        assert.equal(node.kernel.commits, commits);
        assert.equal(node.key(), "sk-svcacct-1");
    });

    it("drains: wipes, ends every key, removes the Daemon", async () => {
        await node.deliver();
        await node.agent.stop();

        const parts = {
            agentId,
            clock: node.clock,
            cluster: async () => node.cluster,
            kernel: node.kernel.reopen(),
            trust: node.trust,
            vault: node.vault,
        };
        const draining = drain({ ...parts, log: jsonLog(() => undefined) });
        await node.clock.advance(100);

        assert.deepEqual(await draining, { revoked: 1, pending: 0 });
        assert.deepEqual(node.vault.liveKeys, []);
        assert.equal(node.key(), undefined);
        assert.equal(node.kernel.blob.length, 0);
        assert.equal(node.cluster.daemons.size, 0);
    });

    it("a drain without OpenBao says what is left, and a second one finishes", async () => {
        await node.deliver();
        await node.agent.stop();
        const parts = {
            agentId,
            clock: node.clock,
            cluster: async () => node.cluster,
            kernel: node.kernel.reopen(),
            trust: node.trust,
            vault: node.vault,
        };
        node.vault.faults.revoke = new VaultFailure("VaultSealed", { reason: "sealed" }, "server");

        const first = drain({ ...parts, log: jsonLog(() => undefined) });
        await node.clock.advance(60_000);

        assert.deepEqual(await first, { revoked: 0, pending: 1 });
        assert.equal(node.cluster.daemons.size, 1);
        node.vault.faults = {};
        const second = drain({ ...parts, log: jsonLog(() => undefined) });
        await node.clock.advance(100);
        assert.deepEqual(await second, { revoked: 1, pending: 0 });
    });

    it("a drain without the cluster's token ends every key all the same, and says what is left", async () => {
        await node.deliver();
        await node.agent.stop();
        const draining = drain({
            agentId,
            clock: node.clock,
            cluster: () => Promise.reject(new Error("systemd-creds decrypt failed")),
            kernel: node.kernel.reopen(),
            trust: node.trust,
            vault: node.vault,
            log: jsonLog(() => undefined),
        });
        const ended = assert.rejects(
            draining,
            /token for the cluster .*systemd-creds decrypt failed.*\[ClusterDenied\]/,
        );
        await node.clock.advance(100);
        await ended;
        assert.deepEqual(node.vault.liveKeys, []);
        assert.equal(node.kernel.blob.length, 0);
    });
});
