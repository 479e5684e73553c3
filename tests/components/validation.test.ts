// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import * as riptides from "../../components";
import { record } from "../../components/testing";
import { program } from "./program";

/** Runs a program that must be refused and gives the error. */
async function refusal(run: () => unknown): Promise<riptides.RiptidesError> {
    let caught: unknown;
    await record(() => {
        try {
            run();
        } catch (error) {
            caught = error;
        }
    });
    assert.ok(caught instanceof riptides.RiptidesError, `not refused: ${String(caught)}`);
    return caught;
}

type Change = NonNullable<Parameters<typeof program>[0]>;
const key = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----";
const plugin = { version: "0.1.0", command: "openai", sha256: "00" };

const refused: [string, Change, string, string][] = [
    ["no admin key", { engine: { adminApiKey: undefined } }, "MissingProperty", "adminApiKey"],
    ["a mount path with a space", { engine: { path: "open ai" } }, "InvalidProperty", "path"],
    [
        "a plugin without version",
        { engine: { plugin: { ...plugin, version: undefined } } },
        "MissingProperty",
        "plugin.version",
    ],
    [
        "a plugin without checksum",
        { engine: { plugin: { ...plugin, sha256: undefined } } },
        "MissingProperty",
        "plugin.sha256",
    ],
    [
        "a checksum without command",
        { engine: { plugin: { ...plugin, command: undefined } } },
        "MissingProperty",
        "plugin.command",
    ],
    [
        "a version that is none",
        { engine: { plugin: { ...plugin, version: "latest" } } },
        "InvalidProperty",
        "plugin.version",
    ],
    [
        "a node without host key",
        { node: { connection: { host: "h", privateKey: "k" } as never } },
        "MissingProperty",
        "hostKey",
    ],
    ["a trust domain in capitals", { node: { trustDomain: "Example.org" } }, "InvalidSpiffeId", "trustDomain"],
    ["no project", { access: { projectId: undefined } }, "MissingProperty", "projectId"],
    ["a ttl that is no duration", { access: { ttl: "soon" } }, "InvalidDuration", "ttl"],
    ["a ttl above maxTtl", { access: { ttl: "2h", maxTtl: "1h" } }, "InvalidProperty", "ttl"],
    ["a ttl of nothing", { access: { ttl: 0 } }, "InvalidProperty", "ttl"],
    ["no delivery at all", { access: { deliver: {} } }, "PropagationUnsupported", "deliver"],
    [
        "a delivery that is switched off",
        { access: { deliver: { file: false as never } } },
        "PropagationUnsupported",
        "deliver",
    ],
    ["a wire that is a word", { access: { deliver: { wire: "yes" as never } } }, "PropagationUnsupported", "deliver"],
    [
        "a header that frames the message",
        { access: { deliver: { wire: { header: "Transfer-Encoding" } } } },
        "InvalidProperty",
        "deliver.wire.header",
    ],
    [
        "an allowed path that is relative",
        { access: { deliver: { wire: { allow: [{ pathPrefixes: ["v1/models"] }] } } } },
        "InvalidProperty",
        "deliver.wire.allow[0].pathPrefixes",
    ],
    [
        "an allowed method in small letters",
        { access: { deliver: { file: true, wire: { allow: [{ methods: ["get"] }] } } } },
        "InvalidProperty",
        "deliver.wire.allow[0].methods",
    ],
    ["no process fact", { access: { process: {} } }, "MissingProperty", "process"],
    [
        "a relative binary path",
        { access: { process: { binaryPath: "ai-agent" } } },
        "InvalidSelector",
        "process.binaryPath",
    ],
    [
        "a hash without algorithm",
        { access: { process: { binaryHash: "abc" } } },
        "InvalidSelector",
        "process.binaryHash",
    ],
    [
        "a unit without kind",
        { access: { process: { systemdUnit: "ai-agent" } } },
        "InvalidSelector",
        "process.systemdUnit",
    ],
    [
        "a wire that is switched off",
        { access: { deliver: { wire: false } as never } },
        "PropagationUnsupported",
        "deliver",
    ],
    ["a workload ID with dots", { access: { workloadId: "../root" } }, "InvalidSpiffeId", "workloadId"],
    ["an address without scheme", { access: { vaultAddress: "bao:8200" } }, "InvalidProperty", "vaultAddress"],
    ["a reserved role", { access: { names: { role: "admin" } } }, "InvalidProperty", "roleName"],
    [
        "a binding in capitals",
        { access: { names: { credentialBinding: "B" } } },
        "InvalidProperty",
        "names.credentialBinding",
    ],
    ["a choice that is none", { resources: { retain: "some" as never } }, "InvalidProperty", "retain"],
];

describe("bad input", () => {
    for (const [what, change, code, property] of refused) {
        it(`refuses ${what}, naming ${property}`, async () => {
            const error = await refusal(() => program(change));
            assert.deepEqual([error.code, error.property], [code, property]);
            assert.ok(error.fix.length > 10);
            assert.doesNotMatch(error.message, /canary/);
        });
    }

    it("refuses a JWT auth method with no source, two sources or an empty one", async () => {
        const sources = [{}, { jwksUrl: "https://a", oidcDiscoveryUrl: "https://b" }, { agents: [] }];
        for (const source of sources) {
            const error = await refusal(
                () => new riptides.WorkloadJwtAuth("jwt", { trustDomain: "example.org", ...source }),
            );
            assert.match(error.property ?? "", /^(agents|oidcDiscoveryUrl|jwksUrl)$/);
        }
    });

    it("refuses a key that is not SPKI PEM", async () => {
        const agents = [
            { agentId: "a", publicKey: key },
            { agentId: "b", publicKey: "ssh-ed25519 AAAA" },
        ];
        const error = await refusal(() => new riptides.WorkloadJwtAuth("jwt", { trustDomain: "example.org", agents }));
        assert.equal(error.property, "agents[1].publicKey");
    });

    it("refuses as soon as the value is known when it comes from another resource", async () => {
        const late = await record(() => {
            const { checked } = require("../../components/check") as typeof import("../../components/check");
            const output = checked<string, string>(pulumi.output(Promise.resolve("x")), () => {
                throw new Error("late");
            });
            return (output as unknown as { promise(): Promise<string> })
                .promise()
                .catch((error: Error) => error.message);
        });
        assert.equal(late.result, "late");
    });
});

describe("WorkloadJwtAuth", () => {
    it("binds the issuer of a central OIDC provider, and a role to the agents it is given", async () => {
        const stack = await record(() => {
            const auth = new riptides.WorkloadJwtAuth("jwt", {
                trustDomain: "example.org",
                oidcDiscoveryUrl: "https://issuer.example.org",
            });
            auth.role("a", { workloadId: "a", policies: ["p"], maxTtl: 60 });
            auth.role("b", { workloadId: "b", policies: ["p"], maxTtl: 60, agentIds: ["x", "y"] });
        });
        assert.equal(stack.only("vault:jwt/authBackend:AuthBackend").inputs.boundIssuer, "https://issuer.example.org");
        const roles = stack.all("vault:jwt/authBackendRole:AuthBackendRole");
        assert.deepEqual(
            roles.map(({ inputs }) => [inputs.boundSubject, inputs.boundClaims]),
            [
                ["spiffe://example.org/a", undefined],
                ["spiffe://example.org/b", { "riptides:agent": "x,y" }],
            ],
        );
    });

    it("trusts every agent of a list, each by its own key", async () => {
        const stack = await record(() => {
            const agents = ["a", "b"].map((agentId) => ({ agentId, publicKey: `${key}\n` }));
            new riptides.WorkloadJwtAuth("jwt", { trustDomain: "example.org", agents }).role("w", {
                workloadId: "w",
                policies: ["p"],
                maxTtl: "1h",
            });
        });
        assert.deepEqual(stack.only("vault:jwt/authBackend:AuthBackend").inputs.jwtValidationPubkeys, [key, key]);
        const { boundClaims } = stack.only("vault:jwt/authBackendRole:AuthBackendRole").inputs;
        assert.deepEqual(boundClaims, { "riptides:agent": "a,b" });
    });
});
