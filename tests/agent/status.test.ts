// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RiptidesError, credentialPath } from "../../api";
import { daemonId, FakeNode } from "../fakes/agent-node";

const minute = 60_000;

describe("agent: status of a binding", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
    });

    it("says OK with path, end, agent and generation", async () => {
        await node.deliver();

        const { updateAt, expiresAt, ...status } = node.cluster.status("keys")!;
        assert.deepEqual(status, {
            state: "OK",
            message: "delivered",
            observedGeneration: 1,
            agent: daemonId,
            sysfs: { files: [{ path: credentialPath("spiffe://example.org/ai-agent", "keys"), type: "CREDENTIAL" }] },
        });
        assert.ok(Date.parse(updateAt!) <= node.clock.now());
        assert.ok(Date.parse(expiresAt!) > node.clock.now());
    });

    it("is written once for one change", async () => {
        await node.deliver();

        node.cluster.apply("sources", "unrelated", node.cluster.sources.get("vault-keys")!.spec);
        await node.clock.advance(5 * minute);

        assert.equal(node.cluster.writes.length, 1);
    });

    it("is not written again by a restarted agent", async () => {
        await node.deliver();

        await node.restart();

        assert.equal(node.cluster.writes.length, 1);
    });

    it("follows a new generation", async () => {
        await node.deliver();

        node.binding("keys", { refreshTrigger: "x" });
        await node.clock.advance(500);

        assert.equal(node.cluster.status("keys")?.observedGeneration, 2);
    });

    it("warns of a selector that can be forged", async () => {
        node.source();
        node.identity("ai-agent", { selectors: [{ "process:name": ["my-agent"] }] });
        node.binding();

        await node.start();

        const status = node.cluster.status("keys")!;
        assert.equal(status.state, "OK");
        assert.equal(status.reason, "Spoofable");
        assert.match(status.message!, /process:name/);
        assert.equal(node.kernel.table[0]!.alternatives[0]!.comm, "my-agent");
    });

    for (const [reason, arrange, property] of [
        ["CredentialSourceMissing", (node: FakeNode) => (node.identity(), node.binding()), "spec.credentialSource"],
        ["WorkloadIdentityMissing", (node: FakeNode) => (node.source(), node.binding()), "spec.workloadID"],
        [
            "PropagationUnsupported",
            (node: FakeNode) => (node.source(), node.identity(), node.binding("keys", { propagation: {} })),
            "spec.propagation",
        ],
        [
            "InvalidSelector",
            (node: FakeNode) => (
                node.source(),
                node.identity("ai-agent", { selectors: [{ "process:cmdline": "x" }] }),
                node.binding()
            ),
            "spec.selectors",
        ],
        [
            "InvalidDuration",
            (node: FakeNode) => (
                node.source("vault-keys", { idTokenLifetime: "soon" }),
                node.identity(),
                node.binding()
            ),
            "spec.vault.idTokenLifetime",
        ],
    ] as const) {
        it(`says ${reason} and asks for no key`, async () => {
            arrange(node);

            await node.start();

            const status = node.cluster.status("keys")!;
            assert.equal(status.state, "FAILED");
            assert.equal(status.reason, reason);
            assert.ok(status.message!.startsWith(property), status.message);
            assert.deepEqual(node.vault.requests, []);
        });
    }

    it("one bad binding does not disturb another", async () => {
        await node.deliver();

        node.binding("bad", { credentialSource: "nowhere" });
        await node.clock.advance(100);

        assert.equal(node.cluster.status("bad")?.reason, "CredentialSourceMissing");
        assert.equal(node.cluster.status("keys")?.state, "OK");
        assert.equal(node.vault.keysMade, 1);
    });

    it("says WrongScope when no such agent exists, and leaves other agents' bindings alone", async () => {
        node.source();
        node.binding();
        node.identity("ai-agent", { scope: { daemon: { id: "riptides/daemon/nobody" } } });
        node.cluster.daemons.set("other", {
            spec: { workloadID: "riptides/daemon/other", claimerType: "JWT" },
            status: {},
        });
        node.identity("theirs", { scope: { agent: { id: "riptides/daemon/other" } } });
        node.binding("their-keys", { workloadID: "theirs" });

        await node.start();
        await node.clock.advance(5_000);

        assert.equal(node.cluster.status("keys")?.reason, "WrongScope");
        assert.equal(node.cluster.status("their-keys"), undefined);
    });

    it("serves scope.daemon like scope.agent", async () => {
        node.source();
        node.binding();
        node.identity("ai-agent", { scope: { daemon: { id: daemonId } } });

        await node.start();

        assert.equal(node.cluster.status("keys")?.state, "OK");
    });

    it("is written later when the cluster refuses at first", async () => {
        node.cluster.fault = new RiptidesError("ClusterUnreachable", { reason: "ECONNREFUSED" });
        await node.deliver();
        await node.clock.advance(5_000);
        assert.equal(node.cluster.writes.length, 0);

        node.cluster.fault = undefined;
        await node.clock.advance(30_000);

        assert.equal(node.cluster.status("keys")?.state, "OK");
        assert.equal(node.key(), "sk-svcacct-1");
    });

    it("registers the Daemon, tells systemd, and probes once a minute", async () => {
        await node.deliver();
        assert.deepEqual(node.host.notified, [{ ready: true, status: "registered" }]);

        await node.clock.advance(10 * minute - 1_000);

        const { spec, status } = [...node.cluster.daemons.values()][0]!;
        assert.deepEqual(spec, { workloadID: daemonId, claimerType: "JWT" });
        assert.equal(status.health?.daemonHealth, "ok");
        assert.ok(status.metadata?.some(({ name }) => name === "riptides:agent:publickey"));
        assert.equal(node.cluster.daemonWrites, 10);
    });

    it("takes a fault of the cluster back from systemd when the next probe goes", async () => {
        await node.deliver();
        node.cluster.fault = new RiptidesError("ClusterUnreachable", { reason: "ECONNREFUSED" });
        await node.clock.advance(minute);
        assert.match(node.host.notified.at(-1)?.status ?? "", /ECONNREFUSED/);

        node.cluster.fault = undefined;
        await node.clock.advance(minute);

        assert.deepEqual(node.host.notified.at(-1), { status: "serving" });
    });

    it("counts denials, shows them soon, and logs a few lines without a secret", async () => {
        await node.deliver();

        for (let count = 0; count < 100; count++) {
            node.kernel.deny("keys", "exe");
        }
        await node.clock.advance(3_000);

        const metadata = [...node.cluster.daemons.values()][0]!.status.metadata!;
        assert.equal(metadata.find(({ name }) => name === "riptides:denials")?.value, "100");
        const lines = node.lines.filter((line) => line.includes("read denied"));
        assert.equal(lines.length, 5);
        assert.equal(node.cluster.daemonWrites, 2);
        assert.doesNotMatch(node.lines.join(""), /sk-svcacct|s\.token/);
    });
});
