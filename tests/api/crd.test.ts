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
    for (const junctor of [...(schema.not ? [schema.not] : []), ...(schema.not?.anyOf ?? [])]) {
        // Within a junctor the API server takes no type, description or default.
        assert.ok(!junctor.type && !junctor.description && junctor.default === undefined, `${path} (not)`);
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

const injection = (settings: object) => ({
    workloadID: "a",
    credentialSource: "b",
    propagation: { injection: { selectors: [{ api: "openai" }], ...settings } },
});

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
        ["injection as published", kinds.credentialBinding, injection({})],
        [
            "file and wire at once",
            kinds.credentialBinding,
            {
                workloadID: "a",
                credentialSource: "b",
                propagation: { sysfs: {}, injection: { selectors: [{ a: "b" }] } },
            },
        ],
        [
            "a header of one's own without scheme",
            kinds.credentialBinding,
            injection({ header: "X-Api-Key", scheme: "", field: "data.token" }),
        ],
        [
            "a header that only begins like one of the message's",
            kinds.credentialBinding,
            injection({ header: "Host-Token" }),
        ],
        [
            "a signature",
            kinds.credentialBinding,
            injection({ sigv4: { region: "us-east-1", service: "s3", bodyLimit: 4096, accessKeyField: "id" } }),
        ],
        [
            "rules",
            kinds.credentialBinding,
            injection({ allow: [{ methods: ["POST"], pathPrefixes: ["/v1/chat/completions"] }, { methods: ["GET"] }] }),
        ],
        [
            "a service with authorities and AWS scope",
            kinds.service,
            { labels: {}, addresses: [{ address: "a" }], caBundle: "pem", aws: { region: "us-east-1", service: "s3" } },
        ],
    ] as const) {
        it(`accepts ${name}`, () => {
            const ajv = new Ajv({ strict: false });
            assert.ok(ajv.validate(kind.spec as JsonSchema, spec), ajv.errorsText());
        });
    }

    for (const [name, kind, spec] of [
        ["injection without selectors", kinds.credentialBinding, injection({ selectors: [] })],
        ["injection by an empty selector", kinds.credentialBinding, injection({ selectors: [{}] })],
        ["a signature with a header", kinds.credentialBinding, injection({ sigv4: {}, header: "X" })],
        ["a signature with a scheme", kinds.credentialBinding, injection({ sigv4: {}, scheme: "" })],
        ["a signature with a field", kinds.credentialBinding, injection({ sigv4: {}, field: "x" })],
        ...["Host", "content-length", "Transfer-Encoding", "CONNECTION", "Upgrade", "two words", "X:", ""].map(
            (header) =>
                [`the header ${header || "of no name"}`, kinds.credentialBinding, injection({ header })] as const,
        ),
        ["a scheme with a blank", kinds.credentialBinding, injection({ scheme: "Bearer x" })],
        ["a region in capitals", kinds.credentialBinding, injection({ sigv4: { region: "EU" } })],
        ["a body limit beyond the module's", kinds.credentialBinding, injection({ sigv4: { bodyLimit: 16_777_217 } })],
        ["no rule", kinds.credentialBinding, injection({ allow: [] })],
        ["an empty rule", kinds.credentialBinding, injection({ allow: [{}] })],
        ["a rule of a small method", kinds.credentialBinding, injection({ allow: [{ methods: ["get"] }] })],
        ["a rule of a relative path", kinds.credentialBinding, injection({ allow: [{ pathPrefixes: ["v1"] }] })],
        ["a rule of a query", kinds.credentialBinding, injection({ allow: [{ pathPrefixes: ["/v1?x"] }] })],
        [
            "an AWS scope without service",
            kinds.service,
            { labels: {}, addresses: [{ address: "a" }], aws: { region: "us-east-1" } },
        ],
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
