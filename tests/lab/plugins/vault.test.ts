// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { configureFor, start } from "./plugin";
import type { Call, JsonMap, Replay } from "./replay";
import { listen, type Listening, text } from "./tape";

const role = "vault:jwt/authBackendRole:AuthBackendRole";
const inputs: JsonMap = { backend: "jwt", roleName: "r", roleType: "jwt", userClaim: "sub", boundAudiences: ["vault"] };
const state: JsonMap = {
    ...inputs,
    id: "auth/jwt/role/r",
    boundSubject: "spiffe://example.org/a",
    tokenPolicies: ["a", "b"],
    tokenTtl: 60,
};

function call(method: Call["method"], type: string, fields: JsonMap): Pick<Call, "method" | "request"> {
    return { method, request: { ...fields, type, name: "x", urn: `urn:pulumi:dev::rec::${type}::x` } };
}

describe("stand-in for the Vault plugin", () => {
    let plugin: Replay;
    let server: Listening;
    let seen: { request: string; namespace: unknown; body: JsonMap }[];
    let replies: [string, number, object][];

    beforeEach(async () => {
        seen = [];
        replies = [];
        plugin = await start("vault");
        server = await listen(async (incoming, outgoing) => {
            const request = `${incoming.method} ${incoming.url}`;
            const body = await text(incoming);
            seen.push({
                request,
                namespace: incoming.headers["x-vault-namespace"],
                body: body ? (JSON.parse(body) as JsonMap) : {},
            });
            const [, status, answer] = replies.find(([wanted]) => wanted === request) ?? [request, 404, { errors: [] }];
            outgoing.writeHead(status);
            outgoing.end(JSON.stringify(answer));
        });
        await plugin.send(configureFor("vault", server.address));
    });
    afterEach(async () => {
        await plugin.stop();
        await server.stop();
    });

    async function diff(olds: JsonMap, news: JsonMap): Promise<JsonMap> {
        return plugin.send(call("Diff", role, { id: "auth/jwt/role/r", olds, oldInputs: olds, news }));
    }

    it("sees no difference where a set is in another order", async () => {
        const answer = await diff(state, { ...state, tokenPolicies: ["b", "a"] });
        assert.equal(answer["changes"], "DIFF_NONE");
    });

    it("names the removed property when the program no longer sets it", async () => {
        const answer = await diff(state, { ...state, boundSubject: null });
        assert.deepEqual(answer["detailedDiff"], { boundSubject: { kind: "DELETE" } });
    });

    it("clears on the server what the program no longer sets", async () => {
        replies = [
            ["POST /v1/auth/jwt/role/r", 204, {}],
            ["GET /v1/auth/jwt/role/r", 200, { data: { ...inputs, user_claim: "sub", role_type: "jwt" } }],
        ];
        await plugin.send(call("Update", role, { id: "auth/jwt/role/r", olds: state, oldInputs: state, news: inputs }));
        assert.equal(seen[0]?.body["bound_subject"], "");
        assert.deepEqual(seen[0]?.body["token_policies"], []);
        assert.equal(seen[0]?.body["token_ttl"], 0);
    });

    it("replaces a role whose name changes", async () => {
        const answer = await diff(state, { ...state, roleName: "other" });
        assert.deepEqual(answer["detailedDiff"], { roleName: { kind: "UPDATE_REPLACE" } });
    });

    it("counts a value that is not known yet as a change", async () => {
        const answer = await diff(state, { ...state, boundSubject: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" });
        assert.deepEqual(answer["detailedDiff"], { boundSubject: { kind: "UPDATE" } });
    });

    it("makes up a policy's name and keeps it", async () => {
        const type = "vault:index/policy:Policy";
        const first = await plugin.send(call("Check", type, { news: { policy: "" }, randomSeed: "AAAA" }));
        const olds = first["inputs"] as JsonMap;
        assert.match(String(olds["name"]), /^x-[0-9a-f]{7}$/);
        const second = await plugin.send(call("Check", type, { news: { policy: "p" }, olds, randomSeed: "BBBB" }));
        assert.equal((second["inputs"] as JsonMap)["name"], olds["name"]);
    });

    it("says which property is missing and which is unknown", async () => {
        const answer = await plugin.send(
            call("Check", role, { news: { roleName: "r", colour: "red" }, randomSeed: "" }),
        );
        const properties = (answer["failures"] as JsonMap[]).map(({ property }) => property);
        assert.deepEqual(properties.sort(), ["colour", "userClaim"]);
    });

    it("keeps a JWT method in the state when its configuration was refused", async () => {
        const type = "vault:jwt/authBackend:AuthBackend";
        replies = [
            ["POST /v1/sys/auth/jwt", 204, {}],
            ["POST /v1/auth/jwt/config", 400, { errors: ["error parsing public key"] }],
        ];
        const properties = { path: "jwt", type: "jwt", jwtValidationPubkeys: ["x"], namespaceInState: true };
        await assert.rejects(
            plugin.send(call("Create", type, { properties })),
            (error: Error & { metadata: unknown }) => {
                assert.match(error.message, /Code: 400[^]*error parsing public key/);
                const metadata = error.metadata as { get(key: string): Buffer[] };
                assert.equal(metadata.get("grpc-status-details-bin").length, 1);
                return true;
            },
        );
    });

    it("sends the namespace of a resource, and takes what is gone as deleted", async () => {
        const type = "vault:index/policy:Policy";
        await plugin.send(call("Delete", type, { id: "p", properties: { name: "p", namespace: "team" } }));
        assert.deepEqual(seen, [{ request: "DELETE /v1/sys/policies/acl/p", namespace: "team", body: {} }]);
    });

    it("refuses a type it does not have and names the way out", async () => {
        await assert.rejects(
            plugin.send(call("Check", "vault:generic/endpoint:Endpoint", { news: {}, randomSeed: "" })),
            /install the official plugin/,
        );
    });
});
