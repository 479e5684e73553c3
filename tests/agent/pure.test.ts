// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createVerify } from "node:crypto";
import fc from "fast-check";
import { delayMs, exchangeBackOff } from "../../agent/back-off";
import { systemClock } from "../../agent/clock";
import { parseConfiguration } from "../../agent/configuration";
import { horizon, overlapMs } from "../../agent/horizon";
import { decodeTokens, HeldToken, TokenCodec } from "../../agent/held-token";
import { jsonLog } from "../../agent/log";
import { redact } from "../../agent/redact";
import { SigningKey } from "../../agent/signing-key";
import { Slots } from "../../agent/slots";
import { RiptidesError, Secret } from "../../api";

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("agent: back-off", () => {
    it("doubles up to its limit, less at most half, and never undercuts Retry-After", () => {
        fc.assert(
            fc.property(
                fc.integer({ min: 1, max: 200 }),
                chance,
                fc.integer({ min: 0, max: 600_000 }),
                (n, random, asked) => {
                    const wait = delayMs(exchangeBackOff, n, { random: () => random }, asked);
                    const full = Math.min(30_000, 1_000 * 2 ** Math.min(n - 1, 30));
                    assert.ok(
                        wait >= Math.max(full / 2 - 1, asked) && wait <= Math.max(full, asked + 1_000),
                        `${wait}`,
                    );
                },
            ),
        );
    });

    it("does not wait for a day because a server says so", () => {
        assert.ok(delayMs(exchangeBackOff, 1, { random: () => 0 }, 86_400_000) <= 600_000);
    });
});

describe("agent: horizon", () => {
    it("is the earlier end, and the refresh from 60 to 67 per cent of the life", () => {
        const life = fc.integer({ min: 1_000, max: 86_400_000 });
        fc.assert(
            fc.property(life, life, chance, (ttl, lease, random) => {
                const times = horizon(1_000, ttl, 1_500, lease, { random: () => random });
                assert.equal(times.expiresAtMs, Math.min(1_000 + ttl, 1_500 + lease));
                const whole = times.expiresAtMs - 1_500;
                const part = times.refreshAtMs - 1_500;
                assert.ok(part >= whole * 0.6 - 1 && part <= (whole * 2) / 3 + 1);
            }),
        );
    });

    it("leaves the old key 2 to 10 seconds", () => {
        assert.deepEqual([1_000, 60_000, 900_000].map(overlapMs), [2_000, 6_000, 10_000]);
    });

    it("waits longer than a timer of Node can", async () => {
        let ran = false;
        const cancel = systemClock.after(2 ** 31 + 1_000, () => (ran = true));
        await new Promise((resolve) => setTimeout(resolve, 20));
        cancel();
        assert.equal(ran, false);
    });
});

describe("agent: ledger", () => {
    const held = (index: number, change: Partial<HeldToken> = {}): HeldToken => ({
        state: "current",
        binding: index.toString(16).padStart(16, "0"),
        fingerprint: "00112233445566aa",
        server: { address: "https://bao:8200", namespace: index % 2 ? "team" : undefined },
        token: new Secret(`s.${String(index).padStart(24, "x")}`),
        expiresAtMs: 1_800_000_000_000 + index,
        refreshAtMs: 1_700_000_000_000 + index,
        ...change,
    });
    const plain = (tokens: HeldToken[]) =>
        tokens.map((one) => JSON.parse(JSON.stringify({ ...one, token: one.token.reveal() })) as unknown);

    it("comes back as it was", () => {
        const tokens = [held(1), held(2, { state: "pending" }), held(3, { state: "spent" })];

        assert.deepEqual(plain(decodeTokens(new TokenCodec().encode(tokens, 65_536).bytes)), plain(tokens));
        assert.equal(new TokenCodec().encode([], 65_536).bytes.length, 0);
        assert.deepEqual(decodeTokens(Buffer.alloc(0)), []);
        assert.deepEqual(decodeTokens(Buffer.from([99, 1, 2])), []);
    });

    it("holds a thousand OpenBao tokens in 64 KiB", () => {
        const tokens = Array.from({ length: 1_000 }, (_, index) => held(index));

        const { bytes, left } = new TokenCodec().encode(tokens, 65_536);

        assert.equal(left, 0);
        assert.equal(decodeTokens(bytes).length, 1_000);
    });

    it("leaves out current tokens before those that must be ended", () => {
        const tokens = [
            ...Array.from({ length: 20 }, (_, index) => held(index)),
            held(20, { state: "spent" }),
            held(21, { state: "pending" }),
        ];

        const { bytes, left } = new TokenCodec().encode(tokens, 400);

        assert.ok(bytes.length <= 400 && left > 0);
        const states = decodeTokens(bytes).map(({ state }) => state);
        assert.ok(states.includes("spent") && states.includes("pending"));
        assert.equal(states.length + left, 22);
    });
});

describe("agent: signing key", () => {
    it("signs what OpenBao checks, by a key it makes itself", async () => {
        const key = await SigningKey.from(SigningKey.generate());
        const claims = {
            subject: "spiffe://example.org/x",
            audience: ["vault"],
            lifetimeSeconds: 60,
            nowMs: 1_800_000_000_999,
        };

        const jwt = (await key.sign("example.org", "agent-1", claims)).reveal();

        const [head = "", body = "", signature = ""] = jwt.split(".");
        const { jti, ...payload } = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
        assert.deepEqual(payload, {
            "riptides:agent": "agent-1",
            iss: "spiffe://example.org",
            sub: "spiffe://example.org/x",
            aud: ["vault"],
            iat: 1_800_000_000,
            exp: 1_800_000_060,
        });
        assert.match(String(jti), /^[0-9a-f-]{36}$/);
        const { alg, kid } = JSON.parse(Buffer.from(head, "base64url").toString()) as Record<string, string>;
        assert.equal(alg, "ES256");
        assert.match(kid!, /^[\w-]{43}$/);
        const raw = Buffer.from(signature, "base64url");
        const verified = createVerify("sha256")
            .update(`${head}.${body}`)
            .verify({ key: key.publicKey, dsaEncoding: "ieee-p1363" }, raw);
        assert.ok(verified);
    });

    it("refuses another kind of key", async () => {
        await assert.rejects(
            SigningKey.from(new Secret("not a key")),
            (error: RiptidesError) => error.code === "InvalidConfiguration",
        );
    });
});

describe("agent: log", () => {
    it("writes JSON lines, and no secret even when handed one", () => {
        const lines: string[] = [];
        const log = jsonLog((line) => lines.push(line));

        log.info("x", {
            token: new Secret("plain"),
            text: "key sk-svcacct-abcdef123456 and hvs.CAESIabcdefghijklmnopqrstu",
            n: 1,
        });

        assert.deepEqual(JSON.parse(lines[0]!), {
            level: "info",
            message: "x",
            token: "[secret]",
            text: "key [secret] and [secret]",
            n: 1,
        });
        assert.ok(lines[0]!.endsWith("}\n"));
    });

    it("leaves names alone that only look a little like secrets", () => {
        for (const text of [
            "crb-vault-openai-apikeys-binding",
            "ask-someone-else",
            "systems.example.org",
            "spiffe://example.org/x",
        ]) {
            assert.equal(redact(text), text);
        }
    });
});

describe("agent: configuration", () => {
    const pem = Buffer.from("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n").toString("base64");
    const good = {
        agentId: "6f1a7c1e-0d7e-4f39-9a55-0c6a1b6f2a10",
        trustDomain: "example.org",
        namespace: "riptides-system",
        cluster: { server: "https://10.0.2.2:6443", certificateAuthorityData: pem },
        modulePath: "/usr/lib/riptides/kmod/riptides.ko",
    };

    it("is read", () => {
        const { cluster, ...rest } = parseConfiguration(JSON.stringify(good), "agent.json");
        assert.equal(rest.agentId, good.agentId);
        assert.match(cluster.certificateAuthority, /BEGIN CERTIFICATE/);
    });

    for (const [what, change] of [
        ["agentId", { agentId: "x" }],
        ["trustDomain", { trustDomain: "No Domain" }],
        ["namespace", { namespace: undefined }],
        ["server", { cluster: { ...good.cluster, server: "http://plain" } }],
        ["certificateAuthorityData", { cluster: { ...good.cluster, certificateAuthorityData: "!!" } }],
    ] as const) {
        it(`names a bad ${what}`, () => {
            assert.throws(
                () => parseConfiguration(JSON.stringify({ ...good, ...change }), "agent.json"),
                (error: RiptidesError) => error.message.includes(what) && error.message.includes("agent.json"),
            );
        });
    }
});

describe("agent: slots", () => {
    it("run no more tasks at once than there are, and all of them", async () => {
        const slots = new Slots(3);
        let running = 0;
        let most = 0;
        let done = 0;

        await Promise.allSettled(
            Array.from({ length: 20 }, (_, index) =>
                slots.run(async () => {
                    most = Math.max(most, ++running);
                    await new Promise((resolve) => setImmediate(resolve));
                    running--;
                    done++;
                    if (index % 3 === 0) {
                        throw new Error("a failing task frees its slot, too");
                    }
                }),
            ),
        );

        assert.deepEqual([most, done], [3, 20]);
    });
});
