// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { VaultFailure } from "../../agent/vault";
import { RiptidesError } from "../../api";
import { FakeNode } from "../fakes/agent-node";

const minute = 60_000;

describe("agent: exchange by the two-use rule", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
    });

    it("logs in, reads once, and leaves the token untouched", async () => {
        await node.deliver();

        await node.clock.advance(5 * minute);

        assert.deepEqual(node.vault.requests, ["login", "read openai/creds/my-role"]);
        assert.equal(node.key(), "sk-svcacct-1");
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-1"]);
    });

    it("fetches the next key at two thirds of the life, before the old one is ended", async () => {
        await node.deliver();

        await node.clock.advance(10 * minute - 200);
        assert.equal(node.count("login"), 1, "a refresh came before two thirds");
        await node.clock.advance(300);

        assert.equal(node.key(), "sk-svcacct-2");
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-1", "sk-svcacct-2"], "both work during the overlap");
        assert.equal(node.count("revoke"), 0);
        await node.clock.advance(10_000);
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
        assert.equal(node.count("revoke"), 1);
    });

    it("takes the token's end for the key's when it comes before the lease's", async () => {
        node.vault.tokenTtlMs = 5 * minute;

        await node.deliver();

        const expiresAt = Date.parse(node.cluster.status("keys")!.expiresAt!);
        assert.ok(Math.abs(expiresAt - node.clock.now() - 5 * minute) < 1_000);
        await node.clock.advance(4 * minute);
        assert.equal(node.key(), "sk-svcacct-2");
    });

    it("never shows a reader a dead key over many lives", async () => {
        node.vault.leaseMs = minute;
        node.clock.chance = 0.999;
        await node.deliver();

        for (let second = 0; second < 600; second++) {
            await node.clock.advance(1_000);
            assert.ok(node.vault.liveKeys.includes(node.key() ?? "none"), `second ${second}: ${node.key()} is dead`);
        }

        assert.ok(node.vault.keysMade >= 10, `${node.vault.keysMade} keys`);
        assert.ok(node.vault.liveKeys.length <= 2);
    });

    it("ends a key whose answer was lost, and logs in anew for the next", async () => {
        node.vault.loseNextRead = true;

        await node.deliver();
        await node.clock.advance(5_000);

        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
        assert.equal(node.key(), "sk-svcacct-2");
        assert.equal(node.count("login"), 2);
        assert.equal(node.count("read"), 2);
    });

    it("does not read with a token of one use", async () => {
        node.vault.uses = 1;

        await node.deliver();
        await node.clock.advance(1_000);

        assert.equal(node.count("read"), 0);
        assert.equal(node.vault.keysMade, 0);
        assert.equal(node.vault.tokens.size, 0, "the useless token was ended");
        assert.equal(node.cluster.status("keys")?.reason, "VaultTokenUses");
    });

    it("keeps the old key while OpenBao is sealed, says so, and goes on when it is back", async () => {
        await node.deliver();
        node.vault.faults.login = new VaultFailure("VaultSealed", { reason: "Vault is sealed" }, "server");

        await node.clock.advance(11 * minute);

        assert.equal(node.key(), "sk-svcacct-1");
        const status = node.cluster.status("keys")!;
        assert.equal(status.state, "FAILED");
        assert.equal(status.reason, "VaultSealed");
        assert.match(status.message!, /works until/);
        node.vault.faults = {};
        await node.clock.advance(31_000);
        assert.equal(node.key(), "sk-svcacct-2");
        assert.equal(node.cluster.status("keys")?.state, "OK");
    });

    it("reports the cause when the key dies before OpenBao is back", async () => {
        await node.deliver();
        node.vault.faults.login = new VaultFailure("VaultUnreachable", { reason: "ECONNREFUSED" }, "server");

        await node.clock.advance(16 * minute);

        assert.equal(node.key(), undefined);
        const status = node.cluster.status("keys")!;
        assert.equal(status.reason, "VaultUnreachable");
        assert.match(status.message!, /no credential now/);
        assert.equal(status.expiresAt, undefined);
        assert.equal(status.sysfs, undefined);
    });

    it("waits as long as Retry-After says", async () => {
        const slow = new VaultFailure("VaultThrottled", { reason: "429" }, "server", 120_000);
        node.vault.faults.login = slow;

        await node.deliver();
        await node.clock.advance(119_000);

        assert.equal(node.count("login"), 1);
        await node.clock.advance(5_000);
        assert.equal(node.count("login"), 2);
    });

    it("ends a key that cannot be published", async () => {
        node.source();
        node.identity();
        node.binding();
        await node.start();
        await node.clock.advance(9 * minute);
        node.kernel.fault = new RiptidesError("KernelModule", { reason: "ENOMEM" });

        await node.clock.advance(90_000);

        assert.equal(node.cluster.status("keys")?.reason, "KernelModule");
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-1"]);
    });
});
