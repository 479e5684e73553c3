// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import {
    catalogue,
    credentialNamespace,
    credentialPath,
    credentialPolicy,
    daemonWorkloadId,
    policyHcl,
    RiptidesError,
    Secret,
    spiffeId,
    uuidV5,
    workloadUuid,
} from "../../api";

describe("SPIFFE ID", () => {
    it("joins trust domain and workload ID", () => {
        assert.equal(spiffeId("example.org", "demo/client/curl"), "spiffe://example.org/demo/client/curl");
        assert.equal(daemonWorkloadId("0b8e"), "riptides/daemon/0b8e");
    });

    for (const [domain, workload] of [
        ["Example.org", "a"],
        ["", "a"],
        ["example.org:8443", "a"],
        ["example.org", ""],
        ["example.org", "/a"],
        ["example.org", "a/"],
        ["example.org", "a//b"],
        ["example.org", "a/../b"],
        ["example.org", "a b"],
        ["example.org", "a?b"],
        ["example.org", "x".repeat(2048)],
    ] as const) {
        it(`refuses ${JSON.stringify(domain)} with ${JSON.stringify(workload.slice(0, 20))}`, () => {
            assert.throws(() => spiffeId(domain, workload), /InvalidSpiffeId/);
        });
    }
});

describe("credential path", () => {
    it("uses name-based UUIDs as RFC 9562 defines them", () => {
        // Test vector of RFC 9562, appendix A.4.
        assert.equal(
            uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com"),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2",
        );
        assert.equal(
            credentialNamespace,
            uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "credentials.core.riptides.io"),
        );
    });

    it("is a function of SPIFFE ID and binding name alone", () => {
        const path = credentialPath("spiffe://example.org/ai-agent", "vault-openai-apikeys-binding");
        assert.match(
            path,
            /^\/sys\/module\/riptides\/credentials\/[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\/crb-vault-openai-apikeys-binding\/vault\.json$/,
        );
        assert.equal(path, credentialPath("spiffe://example.org/ai-agent", "vault-openai-apikeys-binding"));
    });

    it("differs for different workloads", () => {
        fc.assert(
            fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 2 }), (names) => {
                assert.equal(
                    new Set(names.map((name) => workloadUuid(spiffeId("example.org", name)))).size,
                    names.length,
                );
            }),
        );
    });

    for (const name of ["", "A", "a/b", "../x", "-a", "a".repeat(252)]) {
        it(`refuses the binding name ${JSON.stringify(name)}`, () => {
            assert.throws(() => credentialPath("spiffe://example.org/a", name), /InvalidProperty/);
        });
    }
});

describe("policy", () => {
    it("lets a workload read its credential and end its token, nothing else", () => {
        assert.equal(
            credentialPolicy("openai/creds/my-role"),
            'path "openai/creds/my-role" {\n  capabilities = ["read"]\n}\n\npath "auth/token/revoke-self" {\n  capabilities = ["update"]\n}\n',
        );
    });

    for (const path of ['a" { capabilities = ["sudo"] }', "a b", "", "a\nb", "${x}"]) {
        it(`refuses the path ${JSON.stringify(path)}`, () => {
            assert.throws(() => policyHcl([{ path, capabilities: ["read"] }]), /InvalidProperty/);
        });
    }
});

describe("Secret", () => {
    it("gives its value by reveal and nowhere else", () => {
        const canary = "sk-canary";
        const secret = new Secret(canary);
        const texts = [
            `${secret}`,
            String(secret),
            JSON.stringify({ secret }),
            inspect(secret),
            inspect({ deep: [secret] }, { showHidden: true, depth: 9 }),
        ];
        assert.equal(secret.reveal(), canary);
        for (const text of texts) {
            assert.ok(!text.includes(canary), text);
        }
    });
});

describe("error catalogue", () => {
    it("has a fix for every failure, as a sentence", () => {
        for (const [code, { fix }] of Object.entries(catalogue)) {
            assert.match(fix, /^[A-Z].{10,}[.)]$/s, code);
        }
    });

    it("puts property, reason, fix and code into the message", () => {
        const error = new RiptidesError("MissingProperty", {
            property: "connection.host",
            reason: "no host was given",
        });
        assert.equal(error.message, "connection.host: no host was given. Set the property. [MissingProperty]");
    });
});
