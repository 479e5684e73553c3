// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createServer, IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { VaultFailure, VaultServer } from "../../agent/vault";
import { HttpVault, retryAfterMs } from "../../agent/vault-http";
import { Secret } from "../../api";

const subject = "spiffe://example.org/ai-agent";
const token = new Secret("s.canarycanarycanary1234");

type Handler = (request: IncomingMessage & { text: string }, response: ServerResponse) => void;

describe("agent: OpenBao over HTTP", () => {
    const vault = new HttpVault();
    let server: Server;
    let place: VaultServer;
    let handle: Handler;

    before(async () => {
        server = createServer((request, response) => {
            const parts: Buffer[] = [];
            request.on("data", (part: Buffer) => parts.push(part));
            request.on("end", () =>
                handle(Object.assign(request, { text: Buffer.concat(parts).toString() }), response),
            );
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        place = { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    });

    after(async () => {
        vault.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
    });

    const answer =
        (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
        (_request, response) => {
            response.writeHead(status, headers);
            response.end(typeof body === "string" ? body : JSON.stringify(body));
        };
    const refuse = (status: number, text: string) => answer(status, { errors: [text] });
    const steps = {
        login: () => vault.login(place, "jwt", "openai-apikeys", new Secret("eyJhbGciOiJ.payload.sig"), subject),
        read: () => vault.read(place, token, "openai/creds/my-role"),
        revoke: () => vault.revokeSelf(place, token),
    };

    it("sends role and JWT, namespace and token where the server looks for them", async () => {
        const seen: string[] = [];
        handle = (request, response) => {
            const { "x-vault-token": sent, "x-vault-namespace": namespace } = request.headers;
            seen.push([request.method, request.url, sent ?? "-", namespace ?? "-", request.text].join(" "));
            response.end(
                JSON.stringify({
                    auth: { client_token: "s.x", lease_duration: 60, num_uses: 2 },
                    data: { a: 1 },
                    lease_duration: 30,
                }),
            );
        };
        const team = { ...place, namespace: "team/" };

        const login = await vault.login(team, "/jwt/", "r", new Secret("j"), subject);
        const credential = await vault.read(team, token, "/openai/creds/x");
        await vault.revokeSelf(team, token);

        assert.deepEqual({ ...login, token: login.token.reveal() }, { token: "s.x", ttlMs: 60_000, uses: 2 });
        assert.equal(credential.content.toString(), '{"a":1}');
        assert.equal(credential.leaseMs, 30_000);
        assert.deepEqual(seen, [
            'POST /v1/auth/jwt/login - team {"jwt":"j","role":"r"}',
            `GET /v1/openai/creds/x ${token.reveal()} team `,
            `POST /v1/auth/token/revoke-self ${token.reveal()} team `,
        ]);
    });

    // Bodies as OpenBao 2.7.2 gives them.
    const table: [step: keyof typeof steps, status: number, text: string, code: string, scope: string][] = [
        [
            "login",
            400,
            "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience",
            "VaultLoginDenied",
            "request",
        ],
        ["login", 400, "error validating token: invalid subject (sub) claim", "VaultLoginDenied", "request"],
        [
            "login",
            400,
            "error validating token: error verifying token signature: no known key successfully validated the token signature",
            "VaultLoginDenied",
            "request",
        ],
        ["login", 400, 'role "nope" could not be found', "VaultLoginDenied", "request"],
        ["login", 403, "permission denied", "VaultLoginDenied", "request"],
        ["login", 503, "Vault is sealed", "VaultSealed", "server"],
        ["login", 429, 'request path "auth/jwt/login": rate limit quota exceeded', "VaultThrottled", "server"],
        ["login", 500, "local node not active but active cluster node not found", "VaultUnreachable", "server"],
        ["login", 502, "<html>bad gateway</html>", "VaultUnreachable", "server"],
        ["read", 403, "1 error occurred:\n\t* permission denied\n\n", "VaultPolicyDenied", "request"],
        ["read", 403, "permission denied", "VaultTokenUses", "request"],
        ["read", 404, 'no handler for route "nomount/creds/x". route entry not found.', "VaultPathMissing", "request"],
        [
            "read",
            404,
            'no handler for route "openai/creds/my-role". route entry found, but backend is nil.',
            "PluginMissing",
            "engine",
        ],
        ["read", 400, 'role "x" does not exist', "VaultRoleMissing", "request"],
        ["read", 400, 'role "x" cannot be used: project_id: gone', "OpenAIProjectNotFound", "request"],
        ["read", 400, 'role "x" has 5 live accounts, and its max_live is 5: wait', "EngineKeyLimit", "engine"],
        [
            "read",
            400,
            "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.",
            "VaultTokenUses",
            "request",
        ],
        [
            "read",
            400,
            "the OpenAI secrets engine is not configured: write organization_id, admin_api_key and admin_api_key_id to openai/config first",
            "EngineNotConfigured",
            "engine",
        ],
        ["read", 500, "checksums did not match", "PluginChecksum", "engine"],
        [
            "read",
            500,
            "1 error occurred:\n\t* error creating service account: API error (401): invalid_request_error - Incorrect API key provided: sk-admin-canary99 (code: invalid_api_key)\n\n",
            "OpenAIUnauthorized",
            "engine",
        ],
        [
            "read",
            500,
            "1 error occurred:\n\t* API error (404): not_found - project\n\n",
            "OpenAIProjectNotFound",
            "request",
        ],
        [
            "read",
            500,
            "1 error occurred:\n\t* error creating service account: API error (429): requests\n\n",
            "OpenAIThrottled",
            "engine",
        ],
        [
            "read",
            500,
            "1 error occurred:\n\t* error creating service account: API error (500) from OpenAI\n\n",
            "OpenAIUnavailable",
            "engine",
        ],
        ["read", 503, "Vault is sealed", "VaultSealed", "server"],
        ["revoke", 503, "Vault is sealed", "VaultSealed", "server"],
        ["revoke", 403, "1 error occurred:\n\t* permission denied\n\n", "VaultPolicyDenied", "request"],
    ];
    for (const [step, status, text, code, scope] of table) {
        it(`${step}, ${status} ${text.trim().replace(/\s+/g, " ").slice(0, 60)}: ${code}`, async () => {
            handle = refuse(status, text);

            const failure = await steps[step]().then(
                () => assert.fail("succeeded"),
                (error: unknown) => error as VaultFailure,
            );

            assert.ok(failure instanceof VaultFailure, String(failure));
            assert.equal(failure.code, code);
            assert.equal(failure.scope, scope);
            assert.match(failure.message, new RegExp(`answered ${status}`));
            assert.doesNotMatch(failure.message, /canary|eyJ/);
        });
    }

    it("names the identity in a denied login", async () => {
        handle = refuse(400, "error validating token: invalid subject (sub) claim");

        await assert.rejects(steps.login(), (error: Error) => error.message.includes(subject));
    });

    it("takes a token that is already gone for revoked", async () => {
        handle = refuse(403, "permission denied");

        await steps.revoke();
    });

    it("reads Retry-After in seconds and as a date", async () => {
        handle = answer(429, { errors: ["slow down"] }, { "retry-after": "7" });

        await assert.rejects(steps.login(), (error: VaultFailure) => error.retryAfterMs === 7_000);
        assert.equal(retryAfterMs("Thu, 01 Jan 1970 00:01:00 GMT", 50_000), 10_000);
        assert.equal(retryAfterMs("soon"), 0);
        assert.equal(retryAfterMs(undefined), 0);
    });

    it("says VaultUnreachable with the system's word when nobody answers", async () => {
        const nobody = { address: "http://127.0.0.1:1" };

        await assert.rejects(vault.read(nobody, token, "x"), (error: VaultFailure) => {
            assert.equal(error.code, "VaultUnreachable");
            assert.match(error.message, /127\.0\.0\.1:1 gave no answer: ECONNREFUSED/);
            return error.scope === "server";
        });
    });

    it("says VaultUnreachable when the answer is cut", async () => {
        handle = (_request, response) => {
            response.writeHead(200, { "content-length": "1000" });
            response.write("{");
            setImmediate(() => response.destroy());
        };

        await assert.rejects(steps.read(), (error: VaultFailure) => error.code === "VaultUnreachable");
    });

    for (const [what, body] of [
        ["HTML", "<html>a proxy</html>"],
        ["an answer without data", {}],
    ] as const) {
        it(`refuses ${what} as a credential`, async () => {
            handle = answer(200, body);

            await assert.rejects(steps.read(), (error: VaultFailure) => error.code === "VaultRequestRefused");
        });
    }
});
