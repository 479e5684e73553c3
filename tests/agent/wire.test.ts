// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { VaultFailure } from "../../agent/vault";
import { RiptidesError } from "../../api";
import { certificate } from "../fakes/certificate";
import { daemonId, FakeNode } from "../fakes/agent-node";

const minute = 60_000;
const host = "api.openai.com";

describe("agent: delivery on the wire", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
    });

    const secret = (binding = "keys") => node.kernel.injected(binding, host);

    it("puts the key into the kernel for the hosts of the Services, and into no file", async () => {
        await node.inject({ allow: [{ methods: ["POST"], pathPrefixes: ["/v1/chat/completions"] }] });

        assert.deepEqual(secret(), { value: "sk-svcacct-1" });
        assert.equal(node.key(), undefined);
        const [binding] = node.kernel.table;
        assert.deepEqual(binding!.delivery, { file: false, wire: true });
        assert.deepEqual(binding!.injections, [
            {
                host,
                port: 443,
                rules: [{ method: "POST", path: "/v1/chat/completions" }],
                add: { kind: "header", name: "Authorization", prefix: "Bearer " },
            },
        ]);
    });

    it("puts one key into file and wire when both are asked for", async () => {
        node.service();
        node.source();
        node.identity();
        node.binding("keys", { propagation: { sysfs: {}, injection: { selectors: [{ api: "openai" }] } } });
        await node.start();

        assert.equal(node.key(), "sk-svcacct-1");
        assert.deepEqual(secret(), { value: "sk-svcacct-1" });
        assert.equal(node.vault.keysMade, 1);
    });

    it("signs with the keys of an AWS secrets engine", async () => {
        node.vault.data = { access_key: "ASIA", secret_key: "wJalr", security_token: "FwoG" };
        node.service("openai", { aws: { region: "us-east-1", service: "s3" } });
        node.source();
        node.identity();
        node.wireBinding();
        await node.start();

        assert.deepEqual(secret(), { accessKey: "ASIA", secretKey: "wJalr", sessionToken: "FwoG" });
        assert.equal(node.kernel.table[0]!.injections[0]!.add.kind, "sigv4");
    });

    it("overwrites every buffer that held a secret", async () => {
        await node.inject();
        await node.clock.advance(11 * minute);

        assert.equal(node.vault.contents.length, 2);
        for (const octets of [...node.vault.contents, ...node.kernel.given]) {
            assert.ok(octets.every((octet) => octet === 0));
        }
        assert.doesNotMatch(node.lines.join(""), /sk-svcacct/);
    });

    it("replaces the key ahead of its end and ends the old one after it", async () => {
        await node.inject();

        await node.clock.advance(10 * minute + 100);
        assert.deepEqual(secret(), { value: "sk-svcacct-2" });
        assert.equal(node.vault.liveKeys.length, 2);
        await node.clock.advance(10_000);

        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
    });

    it("goes on with the living key after a restart, and asks OpenBao for nothing", async () => {
        await node.inject();
        const { requests } = node.vault;
        const asked = requests.length;

        await node.restart();
        await node.clock.advance(5 * minute);

        assert.deepEqual(secret(), { value: "sk-svcacct-1" });
        assert.deepEqual(requests.slice(asked), ["close"]);
        assert.equal(node.cluster.status("keys")?.state, "OK");
        assert.equal(node.cluster.writes.length, 1);
    });

    for (const [what, change] of [
        [
            "a host",
            (one: FakeNode) => one.service("openai", { addresses: [{ address: host }, { address: "eu.openai.com" }] }),
        ],
        ["a caBundle", (one: FakeNode) => one.service("openai", { caBundle: certificate })],
        ["another Service", (one: FakeNode) => one.service("more", { addresses: [{ address: "eu.openai.com" }] })],
        ["a rule", (one: FakeNode) => one.wireBinding("keys", { allow: [{ methods: ["GET"] }] })],
        ["another header", (one: FakeNode) => one.wireBinding("keys", { header: "X-Api-Key", scheme: "" })],
    ] as const) {
        it(`changes the table for ${what}, and keeps the key`, async () => {
            await node.inject();
            const { commits } = node.kernel;

            change(node);
            await node.clock.advance(100);

            assert.equal(node.kernel.commits, commits + 1);
            assert.equal(node.vault.keysMade, 1);
            assert.deepEqual(secret(), { value: "sk-svcacct-1" });
        });
    }

    for (const [what, change] of [
        ["another field", (one: FakeNode) => one.wireBinding("keys", { field: "subject" })],
        [
            "a file beside it",
            (one: FakeNode) =>
                one.binding("keys", { propagation: { sysfs: {}, injection: { selectors: [{ api: "openai" }] } } }),
        ],
    ] as const) {
        it(`fetches a new key for ${what}: the agent has kept nothing of the old one`, async () => {
            await node.inject();

            change(node);
            await node.clock.advance(11_000);

            assert.equal(node.vault.keysMade, 2);
            assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
        });
    }

    it("keeps the key of a binding with a file as it was before there was a wire", async () => {
        await node.deliver();
        const left = Buffer.from(node.kernel.blob);

        node.service();
        await node.clock.advance(100);

        assert.equal(node.kernel.commits, 1);
        assert.deepEqual(node.kernel.table[0]!.delivery, { file: true, wire: false });
        assert.deepEqual(node.kernel.blob, left);
    });

    it("ends the key when no Service matches any more", async () => {
        await node.inject();

        node.cluster.remove("services", "openai");
        await node.clock.advance(100);

        assert.equal(node.cluster.status("keys")?.reason, "ServiceMissing");
        assert.deepEqual(node.vault.liveKeys, []);
        assert.deepEqual(node.kernel.table, []);
    });

    it("ends a key whose field is not there, says what is there, and keeps the one before", async () => {
        await node.inject({ field: "token" });

        const status = node.cluster.status("keys")!;
        assert.equal(status.reason, "SecretFieldUnusable");
        assert.match(status.message!, /no text "token" in the data, which has api_key, subject\. .*no credential now/);
        await node.clock.advance(100);
        assert.deepEqual(node.vault.liveKeys, []);
    });

    it("wipes and ends both keys when file and wire would differ, and tries again", async () => {
        node.service();
        node.source();
        node.identity();
        node.binding("keys", { propagation: { sysfs: {}, injection: { selectors: [{ api: "openai" }] } } });
        await node.start();
        node.kernel.halfFault = new RiptidesError("KernelModule", { reason: "ENOMEM" });

        await node.clock.advance(10 * minute + 500);
        assert.deepEqual(node.vault.liveKeys, []);
        assert.equal(node.key(), undefined);
        assert.equal(node.cluster.status("keys")?.reason, "KernelModule");
        node.kernel.halfFault = undefined;
        await node.clock.advance(minute);

        assert.deepEqual(node.vault.liveKeys, [node.key()]);
        assert.equal(node.cluster.status("keys")?.state, "OK");
    });

    it("writes the trust store before the table names it, and removes it after", async () => {
        node.service("openai", { caBundle: certificate });
        node.source();
        node.identity();
        node.wireBinding();
        const seen: boolean[] = [];
        const commit = node.kernel.commit.bind(node.kernel);
        node.kernel.commit = (table) => {
            seen.push(table.every(({ injections }) => injections.every(({ trust }) => node.trust.stores.has(trust!))));
            commit(table);
        };
        await node.start();
        assert.deepEqual([...node.trust.stores.values()], [certificate]);

        node.cluster.remove("bindings", "keys");
        await node.clock.advance(100);

        assert.deepEqual(seen, [true, true]);
        assert.equal(node.trust.stores.size, 0);
    });

    it("serves what needs no trust store when one cannot be written", async () => {
        node.trust.fault = new Error("EROFS");
        node.service("openai", { caBundle: certificate });
        node.source();
        node.identity();
        node.wireBinding("wire");
        node.binding("file");
        await node.start();

        assert.equal(node.cluster.status("wire")?.reason, "NodeUnsuitable");
        assert.match(node.cluster.status("wire")!.message!, /EROFS/);
        assert.equal(node.key("file"), "sk-svcacct-1");
    });

    it("serves what fits when there are more injections than the module holds", async () => {
        node.kernel.limits = { ...node.kernel.limits, injections: 2 };
        node.service("openai", { addresses: [{ address: host }, { address: "eu.openai.com" }] });
        node.source();
        node.identity();
        node.service("other", { labels: { api: "other" }, addresses: [{ address: "api.example.org" }] });
        node.wireBinding("a");
        node.wireBinding("b", { selectors: [{ api: "other" }] });
        node.binding("c");
        await node.start();
        await node.clock.advance(3_000);

        assert.deepEqual(
            ["a", "b", "c"].map((name) => node.cluster.status(name)?.state),
            ["OK", "FAILED", "OK"],
        );
        assert.match(node.cluster.status("b")!.message!, /no room for this one\. .*\[KernelModule\]/);
    });
});

describe("agent: status of the wire", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
    });

    const status = () => node.cluster.status("keys")!;

    it("says where the credential is injected, and no file", async () => {
        await node.inject();

        const { updateAt, expiresAt, ...rest } = status();
        assert.deepEqual(rest, {
            state: "OK",
            message: "delivered",
            observedGeneration: 1,
            agent: daemonId,
            injection: { services: [{ host, port: 443 }], injected: 0, refused: 0, ownTls: false },
        });
        assert.ok(updateAt && expiresAt);
    });

    it("follows the Services without a new key", async () => {
        await node.inject();

        node.service("openai", {
            addresses: [{ address: host }, { address: "10.0.0.1" }, { address: "eu.openai.com" }],
        });
        await node.clock.advance(100);

        assert.deepEqual(
            status().injection!.services.map((one) => one.host),
            [host, "eu.openai.com"],
        );
        assert.match(status().message!, /Service openai is not served in full: "10\.0\.0\.1"/);
    });

    it("counts what the kernel tells, and is written soon at first and seldom after", async () => {
        await node.inject();

        for (let second = 0; second < 120; second++) {
            node.kernel.happen("keys", "injected");
            node.kernel.happen("keys", "refused", { error: 13 });
            await node.clock.advance(1_000);
            if (second === 1) {
                assert.equal(status().injection!.refused, 1);
            }
        }
        await node.clock.advance(30_000);

        const { injected, refused, lastError, lastInjectedAt } = status().injection!;
        assert.deepEqual([injected, refused], [120, 120]);
        assert.match(
            lastError!,
            /^A request to api\.openai\.com:443 was refused by host or rule: EACCES .*"agent" \(pid 4711/,
        );
        assert.ok(Date.parse(lastInjectedAt!) <= node.clock.now());
        assert.ok(node.cluster.writes.length <= 7, `${node.cluster.writes.length} writes`);
        assert.equal(node.lines.filter((line) => line.includes("not injected")).length, 10);
    });

    it("counts on after a restart", async () => {
        await node.inject();
        node.kernel.happen("keys", "refused", { error: 13 });
        await node.clock.advance(2_000);

        await node.restart();
        node.kernel.happen("keys", "refused", { error: 13 });
        await node.clock.advance(2_000);

        assert.equal(status().injection!.refused, 2);
    });

    it("warns of a process that brings its own TLS until something is injected", async () => {
        await node.inject();

        node.kernel.happen("keys", "ownTls");
        await node.clock.advance(2_000);
        assert.deepEqual([status().state, status().reason, status().injection!.ownTls], ["OK", "OwnTls", true]);
        assert.match(status().message!, /this process brings its own TLS; nothing is injected/);
        node.kernel.happen("keys", "injected");
        await node.clock.advance(31_000);

        assert.deepEqual([status().reason, status().injection!.ownTls], [undefined, false]);
    });

    it("warns of a failed handshake with host and error, and forgets it with time", async () => {
        await node.inject();

        node.kernel.happen("keys", "handshake", { error: 71 });
        await node.clock.advance(2_000);
        assert.deepEqual([status().state, status().reason], ["OK", "TlsHandshake"]);
        assert.match(status().message!, /api\.openai\.com:443 failed in the TLS handshake: EPROTO \(protocol error/);
        await node.clock.advance(12 * minute);

        assert.equal(status().reason, undefined);
        assert.match(status().injection!.lastError!, /EPROTO/);
    });

    it("lets a failed handshake end the warning of own TLS: the process writes plain HTTP now", async () => {
        await node.inject();

        node.kernel.happen("keys", "ownTls");
        node.kernel.happen("keys", "handshake", { error: 112 });
        await node.clock.advance(2_000);

        assert.deepEqual([status().reason, status().injection!.ownTls], ["TlsHandshake", false]);
        assert.match(status().message!, /EHOSTDOWN \(the TLS helper is not there/);
    });

    it("names a forgeable selector before what happens on the wire", async () => {
        node.service();
        node.source();
        node.identity("ai-agent", { selectors: [{ "process:name": "agent" }] });
        node.wireBinding();
        await node.start();

        node.kernel.happen("keys", "ownTls");
        await node.clock.advance(2_000);

        assert.equal(status().reason, "Spoofable");
        assert.match(status().message!, /process:name.*brings its own TLS/);
    });

    it("says TlsHelper while the helper is away, and OK when it is back", async () => {
        node.kernel.helper = false;
        await node.inject();
        assert.equal(node.cluster.status("keys"), undefined, "one that starts at this moment is waited for");
        await node.clock.advance(3_000);
        assert.deepEqual([status().state, status().reason], ["FAILED", "TlsHelper"]);
        assert.match(status().message!, /riptides-tls.*works until/);

        node.kernel.helper = true;
        await node.clock.advance(3_000);
        assert.equal(status().state, "OK");
        node.kernel.helper = false;
        await node.clock.advance(15_000);
        assert.equal(status().reason, "TlsHelper");
    });

    it("says KernelTls when the kernel has none", async () => {
        node.host.kernelTls = false;
        await node.inject();
        await node.clock.advance(3_000);

        assert.deepEqual([status().state, status().reason], ["FAILED", "KernelTls"]);
    });

    it("asks the module for the helper only as long as something is to be injected", async () => {
        let asked = 0;
        const stats = node.kernel.stats.bind(node.kernel);
        node.kernel.stats = () => (asked++, stats());
        node.kernel.helper = false;
        await node.deliver();
        await node.clock.advance(30_000);
        assert.equal(asked, 1, "the Daemon's own status");
        assert.equal(status().state, "OK");

        node.service();
        node.wireBinding("wire");
        await node.clock.advance(3_000);
        assert.equal(node.cluster.status("wire")?.reason, "TlsHelper");
        node.cluster.remove("bindings", "wire");
        await node.clock.advance(100);
        const before = asked;
        await node.clock.advance(20_000);
        assert.equal(asked, before);
    });

    it("says that there is no credential when its time is over", async () => {
        await node.inject();
        node.vault.faults.login = new VaultFailure("VaultSealed", { reason: "sealed" }, "server");
        await node.clock.advance(16 * minute);

        assert.equal(node.kernel.injected("keys", host), undefined);
        assert.deepEqual([status().state, status().reason, status().injection], ["FAILED", "VaultSealed", undefined]);
    });

    it("shows the wire in the Daemon", async () => {
        await node.inject();
        node.kernel.happen("keys", "refused", { error: 13 });
        await node.clock.advance(3_000);

        const { metadata } = [...node.cluster.daemons.values()][0]!.status;
        const value = (name: string) => metadata!.find((one) => one.name === `riptides:${name}`)?.value;
        assert.deepEqual(["injections", "refused", "tlshelper"].map(value), ["1", "1", "connected"]);
    });

    it("tells of a denied watch at the binding that needs it, and serves the others", async () => {
        const denied = new RiptidesError("ClusterDenied", { reason: "services is forbidden" });
        Object.assign(node.cluster, { servicesDenied: denied });
        node.source();
        node.identity();
        node.wireBinding("wire");
        node.binding("file");
        await node.start();

        assert.equal(node.cluster.status("wire")?.reason, "ClusterDenied");
        assert.equal(node.cluster.status("file")?.state, "OK");
    });
});
