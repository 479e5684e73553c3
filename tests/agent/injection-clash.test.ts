// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fc from "fast-check";
import { claimOf, InjectionPlaces } from "../../agent/injection-places";
import type { Order } from "../../agent/plan";
import { VaultFailure } from "../../agent/vault";
import type { KernelFacts } from "../../api/kernel-message";
import { FakeNode } from "../fakes/agent-node";

const place = { host: "api.openai.com", port: 443 };

function order(binding: string, { host, port } = place): Order {
    const add = { kind: "header" as const, name: "Authorization", prefix: "Bearer " };
    return {
        binding,
        createdAt: "2026-01-01T00:00:00Z",
        wire: { injections: [{ host, port, rules: [], add }], secret: { kind: "header", field: "x" } },
    } as unknown as Order;
}

function clashes(first: KernelFacts[], second: KernelFacts[], at = place): boolean {
    const places = new InjectionPlaces();
    places.take(claimOf(order("first"), first));
    return places.refusal(claimOf(order("second", at), second)) !== undefined;
}

const executable = (inode: bigint) => ({ major: 254, minor: 1, inode });
const sha256 = (byte: number) => new Uint8Array(32).fill(byte);

describe("agent: bindings that inject for the same process", () => {
    const unit = { cgroup: "/system.slice/ai-agent.service" };
    const cases: [string, KernelFacts, KernelFacts, boolean][] = [
        ["the same facts", { executable: executable(7n), uid: 0 }, { uid: 0, executable: executable(7n) }, true],
        ["the same digest", { sha256: sha256(1) }, { sha256: sha256(1) }, true],
        ["one fact more", { executable: executable(7n) }, { executable: executable(7n), uid: 1000 }, true],
        ["a unit and its slice", { cgroup: "/system.slice" }, unit, true],
        ["a unit and an executable in it", unit, { ...unit, executable: executable(7n) }, true],
        ["two users", { uid: 1000 }, { uid: 1001 }, false],
        ["a user and a group of one number", { uid: 1000 }, { gid: 1000 }, false],
        ["two executables", { executable: executable(7n) }, { executable: executable(8n) }, false],
        ["two digests", { sha256: sha256(1) }, { sha256: sha256(2) }, false],
        ["two units", unit, { cgroup: "/system.slice/ai-agent.service2" }, false],
        ["a user and an executable", { uid: 1000 }, { executable: executable(7n) }, false],
        ["two user namespaces", { uid: 1000 }, { uid: 1000, userNamespace: 4026532000 }, false],
        ["facts that cross", { uid: 1000, comm: "a" }, { uid: 1000, gid: 1000 }, false],
    ];
    for (const [what, first, second, certain] of cases) {
        it(`${certain ? "clash" : "are left alone"}: ${what}`, () => {
            assert.equal(clashes([first], [second]), certain);
            assert.equal(clashes([second], [first]), certain);
        });
    }

    it("clash by one alternative of many, and only at the same host and port", () => {
        const many = [{ uid: 1 }, { uid: 2 }];
        assert.equal(clashes(many, [{ uid: 3 }, { uid: 2 }]), true);
        assert.equal(clashes(many, many, { ...place, port: 8443 }), false);
        assert.equal(clashes(many, many, { ...place, host: "api.openai.co" }), false);
    });

    it("clash exactly when one has all facts of the other", () => {
        const facts = fc.record(
            {
                uid: fc.integer({ min: 0, max: 1 }),
                gid: fc.integer({ min: 0, max: 1 }),
                comm: fc.constantFrom("a", "b"),
                userNamespace: fc.constant(5),
                executable: fc.constantFrom(executable(1n), executable(2n)),
                sha256: fc.constantFrom(sha256(1), sha256(2)),
                cgroup: fc.constantFrom("/a", "/a/b", "/a/b/c", "/ab", "/a/bc"),
            },
            { requiredKeys: [] },
        );
        const plain = (value: unknown) =>
            JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner));
        const hasAll = (narrow: KernelFacts, wide: KernelFacts) =>
            narrow.userNamespace === wide.userNamespace &&
            (Object.keys(wide) as (keyof KernelFacts)[]).every((key) =>
                key === "cgroup"
                    ? `${narrow.cgroup ?? ""}/`.startsWith(`${wide.cgroup}/`)
                    : plain(narrow[key]) === plain(wide[key]),
            );
        const alternatives = fc.array(facts, { minLength: 1, maxLength: 3 });
        fc.assert(
            fc.property(alternatives, alternatives, (first, second) => {
                const certain = first.some((a) => second.some((b) => hasAll(a, b) || hasAll(b, a)));
                assert.equal(clashes(first, second), certain);
            }),
            { numRuns: 2_000 },
        );
    });
});

describe("agent: two bindings of a workload for one host", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
    });

    /** An older binding that works, and a newer one for the same host; the agent has seen both. */
    async function clash(older = "keys", newer = "added"): Promise<void> {
        node.service();
        node.source();
        node.identity();
        node.wireBinding(older);
        await node.start();
        node.cluster.createdAt = "2026-01-01T00:00:01Z";
        node.wireBinding(newer);
        await node.clock.advance(100);
    }

    const reasons = (...bindings: string[]) =>
        bindings.map((binding) => node.cluster.status(binding)?.reason ?? node.cluster.status(binding)?.state);

    it("leave the older one as it is, and refuse the newer one with a reason that names both", async () => {
        await clash();

        assert.deepEqual(reasons("keys", "added"), ["OK", "InjectionClash"]);
        assert.equal(
            node.cluster.status("added")!.message,
            'spec.propagation.injection: CredentialBinding "keys", created 2026-01-01T00:00:00Z, injects for the same process at api.openai.com:443. ' +
                "Take the host out of one of the two bindings, tell their processes apart by selectors, or delete the one named; " +
                "this one then takes effect by itself. [InjectionClash]",
        );
        assert.equal(node.vault.keysMade, 1);
        assert.equal(node.kernel.commits, 1);
        assert.deepEqual(node.kernel.injected("keys", place.host), { value: "sk-svcacct-1" });
    });

    it("are told apart by age and then by name", async () => {
        await clash("z-older", "a-newer");
        assert.deepEqual(reasons("z-older", "a-newer"), ["OK", "InjectionClash"]);

        node.wireBinding("b-of-the-same-second");
        node.wireBinding("a-of-the-same-second");
        node.cluster.remove("bindings", "z-older");
        node.cluster.remove("bindings", "a-newer");
        await node.clock.advance(100);

        assert.deepEqual(reasons("a-of-the-same-second", "b-of-the-same-second"), ["OK", "InjectionClash"]);
    });

    it("give the same verdict after a restart, and the older keeps its key", async () => {
        await clash("z-older", "a-newer");

        await node.restart(() => {
            // A list comes by name.
            const older = node.cluster.bindings.get("z-older")!;
            node.cluster.bindings.delete("z-older");
            node.cluster.bindings.set("z-older", older);
        });

        assert.deepEqual(reasons("z-older", "a-newer"), ["OK", "InjectionClash"]);
        assert.equal(node.vault.keysMade, 1);
    });

    it("let the refused one in by itself when the other goes", async () => {
        await clash();

        node.cluster.remove("bindings", "keys");
        await node.clock.advance(100);

        assert.deepEqual(reasons("added"), ["OK"]);
        assert.deepEqual(node.kernel.injected("added", place.host), { value: "sk-svcacct-2" });
        assert.deepEqual(node.vault.liveKeys, ["sk-svcacct-2"]);
    });

    for (const [what, change] of [
        ["another host", (): void => node.service("openai", { addresses: [{ address: "eu.openai.com" }] })],
        ["other processes", (): void => node.identity("ai-agent", { selectors: [{ "process:uid": 7 }] })],
        ["a file alone", (): void => node.binding("keys")],
    ] as const) {
        it(`let the refused one in when the other changes to ${what}`, async () => {
            node.service("own", { labels: { api: "own" } });
            node.identity("other");
            node.service();
            node.source();
            node.identity();
            node.wireBinding();
            await node.start();
            node.cluster.createdAt = "2026-01-01T00:00:01Z";
            node.wireBinding("added", { selectors: [{ api: "own" }] }, { workloadID: "other" });
            await node.clock.advance(100);
            assert.deepEqual(reasons("keys", "added"), ["OK", "InjectionClash"]);

            change();
            await node.clock.advance(15_000);

            assert.deepEqual(reasons("keys", "added"), ["OK", "OK"]);
        });
    }

    it("hold no place for one that cannot be served itself", async () => {
        node.service();
        node.source();
        node.identity();
        node.wireBinding("keys", {}, { credentialSource: "absent" });
        await node.start();
        node.cluster.createdAt = "2026-01-01T00:00:01Z";
        node.wireBinding("added");
        await node.clock.advance(100);

        assert.deepEqual(reasons("keys", "added"), ["CredentialSourceMissing", "OK"]);
    });

    it("hold the place of one whose credential fails: the other must not take over unseen", async () => {
        await clash();
        node.vault.faults.login = new VaultFailure("VaultSealed", { reason: "sealed" }, "server");
        await node.clock.advance(16 * 60_000);

        assert.equal(node.kernel.injected("keys", place.host), undefined);
        assert.deepEqual(reasons("keys", "added"), ["VaultSealed", "InjectionClash"]);
    });

    it("go beside each other as files", async () => {
        node.source();
        node.identity();
        node.binding("keys");
        node.binding("more");
        await node.start();

        assert.deepEqual(reasons("keys", "more"), ["OK", "OK"]);
    });
});
