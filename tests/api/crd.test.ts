// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import Ajv from "ajv";
import { customResourceDefinition, kinds, type JsonSchema, type Kind } from "../../api";

/** Structural schema rules of the API server that plain JSON schema does not know. */
function structural(schema: JsonSchema, path: string): void {
    const free = schema["x-kubernetes-preserve-unknown-fields"] === true;
    assert.ok(free || schema.type, `${path} has no type`);
    assert.ok(
        !(schema.properties && schema.additionalProperties),
        `${path} has both properties and additionalProperties`,
    );
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
        structural(child, `${path}.${name}`);
    }
    if (schema.items) {
        structural(schema.items, `${path}[]`);
    }
    if (typeof schema.additionalProperties === "object") {
        structural(schema.additionalProperties, `${path}{}`);
    }
}

const published: Record<string, [Kind, unknown]> = {
    Service: [
        kinds.service,
        { labels: { api: "openai" }, addresses: [{ address: "api.openai.com", port: 443 }], external: true },
    ],
    CredentialSource: [
        kinds.credentialSource,
        {
            vault: {
                address: "http://localhost:8200",
                jwtAuthMethodPath: "jwt",
                role: "openai-apikeys",
                path: "openai/creds/my-role",
                audience: ["vault"],
            },
        },
    ],
    WorkloadIdentity: [
        kinds.workloadIdentity,
        {
            workloadID: "ai-agent",
            scope: { agent: { id: "riptides/daemon/1" } },
            selectors: [{ "process:name": ["my-agent"] }],
        },
    ],
    CredentialBinding: [
        kinds.credentialBinding,
        { workloadID: "ai-agent", credentialSource: "vault-openai-apikeys", propagation: { sysfs: {} } },
    ],
};

describe("custom resource definitions", () => {
    for (const kind of Object.values(kinds) as Kind[]) {
        it(`${kind.kind} has a structural schema, columns and the published names`, () => {
            const definition = customResourceDefinition(kind);
            const version = definition.spec.versions[0]!;
            structural(version.schema.openAPIV3Schema as JsonSchema, kind.kind);
            assert.equal(definition.metadata.name, `${kind.plural}.core.riptides.io`);
            assert.equal("subresources" in version, kind.status !== undefined);
            assert.ok(version.additionalPrinterColumns.length >= 2);
        });
    }

    it("keeps the plural and short names as published", () => {
        assert.equal(kinds.workloadIdentity.plural, "workloadidentitys");
        assert.deepEqual(
            [kinds.credentialSource.shortNames, kinds.credentialBinding.shortNames],
            [["credsrc"], ["cb"]],
        );
    });

    for (const [name, [kind, spec]] of Object.entries(published)) {
        it(`${name} accepts the published sample`, () => {
            const ajv = new Ajv({ strict: false });
            assert.ok(ajv.validate(kind.spec, spec), ajv.errorsText());
        });
    }

    for (const [name, kind, spec] of [
        [
            "a scope with two nodes",
            kinds.workloadIdentity,
            { workloadID: "a", scope: { agent: { id: "x" }, daemon: { id: "x" } }, selectors: [{ a: "b" }] },
        ],
        ["no selector", kinds.workloadIdentity, { workloadID: "a", scope: { agent: { id: "x" } }, selectors: [] }],
        [
            "an address that is no URL",
            kinds.credentialSource,
            { vault: { address: "localhost:8200", role: "r", path: "p" } },
        ],
        [
            "a binding that delivers nothing",
            kinds.credentialBinding,
            { workloadID: "a", credentialSource: "b", propagation: {} },
        ],
        [
            "a workload ID with an empty segment",
            kinds.credentialBinding,
            { workloadID: "a//b", credentialSource: "b", propagation: { sysfs: {} } },
        ],
    ] as const) {
        it(`refuses ${name}`, () => {
            assert.ok(!new Ajv({ strict: false }).validate(kind.spec as JsonSchema, spec));
        });
    }
});
