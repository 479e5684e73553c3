// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Configuration } from "../../provider/configuration";
import { resourcePages } from "../../provider/docs";
import { riptides } from "../../provider/provider";
import { Harness, secretMark, unknownText, type Wire } from "./client";

const sha = "a".repeat(64);
const plugin: Wire = { version: "v0.1.0", command: "engine", sha256: sha };
const config: Wire = {
    mount: "openai",
    organizationId: "org-1",
    adminApiKey: "sk-admin-0123456789",
    adminApiKeyId: "key_1",
};
const role: Wire = { mount: "openai", name: "my-role", projectId: "proj_1", ttl: "15m", maxTtl: "1h" };
const binding: Wire = { namespace: "riptides-system", name: "b" };

describe("the tables of the resources", () => {
    let harness: Harness;

    // No server anywhere: check, diff and previews must not need one.
    before(async () => {
        harness = await Harness.start(riptides(new Configuration({})));
        await harness.configure({});
    });

    after(() => harness.stop());

    const equivalent: [type: string, base: Wire, other: Wire][] = [
        ["riptides:openai:Role", role, { ...role, ttl: 900 }],
        ["riptides:openai:Role", role, { ...role, ttl: "900s" }],
        ["riptides:openai:Role", role, { ...role, ttl: "900", maxTtl: "60m" }],
        ["riptides:openai:Role", role, { ...role, mount: "/openai/" }],
        [
            "riptides:openai:Role",
            role,
            { ...role, serviceAccountNameTemplate: "vault-{{.RoleName}}-{{.RandomSuffix}}", maxLive: null },
        ],
        ["riptides:openai:Plugin", plugin, { ...plugin, version: "0.1.0" }],
        ["riptides:openai:Plugin", plugin, { ...plugin, sha256: sha.toUpperCase(), name: "openai" }],
        ["riptides:openai:Config", config, { ...config, apiEndpoint: "https://api.openai.com/v1/" }],
        ["riptides:openai:Config", config, { ...config, adminApiKey: " sk-admin-0123456789\n" }],
        ["riptides:openai:Config", { ...config, rotationPeriod: "1d" }, { ...config, rotationPeriod: 86400 }],
        ["riptides:index:BindingStatus", binding, { ...binding, failureGrace: 30, timeout: "300s" }],
    ];
    for (const [type, base, other] of equivalent) {
        it(`show no change of ${type} between ${JSON.stringify(base)} and ${JSON.stringify(other)}`, async () => {
            const olds = (await harness.check(type, base)).inputs;
            const { inputs, failures } = await harness.check(type, other, olds);
            assert.deepEqual(failures, []);
            const live = type.endsWith("BindingStatus") ? { state: "OK" } : {};
            const { detailed } = await harness.diff(type, {
                olds: { ...olds, ...live },
                oldInputs: olds,
                news: inputs,
            });
            assert.deepEqual(detailed, {});
        });
    }

    const changes: [type: string, base: Wire, change: Wire, expected: Record<string, number>][] = [
        ["riptides:openai:Role", role, { ttl: "20m" }, { ttl: 4 }],
        ["riptides:openai:Role", role, { maxLive: 5 }, { maxLive: 0 }],
        ["riptides:openai:Role", role, { name: "other" }, { name: 5 }],
        ["riptides:openai:Role", role, { mount: "second" }, { mount: 5 }],
        ["riptides:openai:Role", role, { projectId: unknownText }, { projectId: 4 }],
        ["riptides:openai:Config", config, { adminApiKey: "sk-admin-another" }, { adminApiKey: 4 }],
        ["riptides:openai:Plugin", { ...plugin, env: { A: "1", B: "2" } }, { env: { A: "1", B: "3" } }, { "env.B": 4 }],
        ["riptides:openai:Plugin", plugin, { version: "v0.2.0", command: "e2" }, { version: 4, command: 4 }],
        ["riptides:openai:Plugin", plugin, { name: "other" }, { name: 5 }],
    ];
    for (const [type, base, change, expected] of changes) {
        it(`show exactly ${Object.keys(expected).join(", ")} of ${type} for ${JSON.stringify(change)}`, async () => {
            const olds = (await harness.check(type, base)).inputs;
            const { inputs } = await harness.check(type, { ...base, ...change }, olds);
            const { detailed } = await harness.diff(type, { olds, news: inputs });
            const kinds = Object.fromEntries(Object.entries(detailed).map(([path, { kind }]) => [path, kind]));
            assert.deepEqual(kinds, expected);
        });
    }

    const refused: [type: string, inputs: Wire, property: string, reason: RegExp][] = [
        ["riptides:openai:Role", { ...role, projectId: undefined }, "projectId", /required.*\[MissingProperty\]/],
        ["riptides:openai:Role", { ...role, projectID: "x" }, "projectID", /no such property.*projectId/],
        ["riptides:openai:Role", { ...role, ttl: "soon" }, "ttl", /\[InvalidDuration\]/],
        ["riptides:openai:Role", { ...role, ttl: "1500ms" }, "ttl", /whole seconds/],
        ["riptides:openai:Role", { ...role, ttl: "2h" }, "ttl", /longer than maxTtl/],
        ["riptides:openai:Role", { ...role, name: "-x" }, "name", /not the name of a role/],
        ["riptides:openai:Role", { ...role, maxLive: 1.5 }, "maxLive", /whole number/],
        ["riptides:openai:Plugin", { ...plugin, sha256: "abc" }, "sha256", /64 hexadecimal digits.*sha256sum/],
        ["riptides:openai:Plugin", { ...plugin, version: "latest" }, "version", /semantic version/],
        ["riptides:openai:Plugin", { ...plugin, command: "../engine" }, "command", /plugin_directory/],
        ["riptides:openai:Config", { ...config, adminApiKey: "a key" }, "adminApiKey", /no spaces/],
        ["riptides:openai:Config", { ...config, apiEndpoint: "ftp://x" }, "apiEndpoint", /base URL/],
        ["riptides:openai:Config", { ...config, organizationId: 7 }, "organizationId", /must be a text/],
    ];
    for (const [type, inputs, property, reason] of refused) {
        it(`refuse ${property} of ${type} with what to do: ${reason.source}`, async () => {
            const given = Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined));
            const { failures } = await harness.check(type, given);
            assert.deepEqual(
                failures.map((failure) => failure.property),
                [property],
            );
            assert.match(failures[0]!.reason, reason);
            assert.match(failures[0]!.reason, /\. .+ \[\w+\]$/);
        });
    }

    it("name every bad property at once", async () => {
        const { failures } = await harness.check("riptides:openai:Role", { name: "-", ttl: "x", mount: "a b" });
        assert.deepEqual(failures.map(({ property }) => property).sort(), ["mount", "name", "projectId", "ttl"]);
    });

    it("keep the admin key out of checked inputs: a salted hash stands for it", async () => {
        const { inputs } = await harness.check("riptides:openai:Config", config);
        const text = JSON.stringify(inputs);
        assert.doesNotMatch(text, /sk-admin/);
        assert.deepEqual(Object.keys(inputs["adminApiKey"] as Wire), Object.keys(secretMark("")));
        assert.match(text, /hmac-sha256:[\w-]{22}:[\w-]{43}/);
    });

    it("salt the hash anew for each resource, and keep the salt while the key stays", async () => {
        const first = (await harness.check("riptides:openai:Config", config)).inputs;
        const again = (await harness.check("riptides:openai:Config", config, first)).inputs;
        const changed = (await harness.check("riptides:openai:Config", { ...config, adminApiKey: "sk-admin-b" }, first))
            .inputs;
        assert.deepEqual(again["adminApiKey"], first["adminApiKey"]);
        assert.notDeepEqual(changed["adminApiKey"], first["adminApiKey"]);
    });

    it("preview a creation without any server, with what is known of the outputs", async () => {
        const { inputs } = await harness.check("riptides:openai:Role", { ...role, projectId: unknownText });
        const { properties } = await harness.create("riptides:openai:Role", inputs, { preview: true });
        assert.equal(properties["projectId"], unknownText);
        assert.equal(properties["credentialsPath"], "openai/creds/my-role");
    });

    it("leave outputs open in a preview that depend on unknown inputs", async () => {
        const { inputs } = await harness.check("riptides:openai:Role", { ...role, mount: unknownText });
        const { properties } = await harness.create("riptides:openai:Role", inputs, { preview: true });
        assert.equal(properties["credentialsPath"], unknownText);
    });

    it("say which configuration is missing when it is needed", async () => {
        const { inputs } = await harness.check("riptides:openai:Role", role);
        await assert.rejects(
            harness.create("riptides:openai:Role", inputs),
            /address: the provider configuration has no address\..*VAULT_ADDR.*\[InvalidConfiguration\]/,
        );
    });

    it("refuse bad provider configuration by property", async () => {
        const { failures } = await harness.checkConfig({ address: "localhost", caCert: "/etc/ca.pem", tokn: "x" });
        assert.deepEqual(failures.map(({ property }) => property).sort(), ["address", "caCert", "tokn"]);
    });

    it("give a schema that has every resource, with its secrets and no write-only output", async () => {
        const schema = (await harness.schema()) as {
            resources: Record<string, { inputProperties: Wire; properties: Wire; requiredInputs: string[] }>;
        };
        assert.deepEqual(Object.keys(schema.resources).sort(), [
            "riptides:index:BindingStatus",
            "riptides:node:HostAgent",
            "riptides:openai:Config",
            "riptides:openai:Plugin",
            "riptides:openai:Role",
        ]);
        const { inputProperties, properties, requiredInputs } = schema.resources["riptides:openai:Config"]!;
        assert.equal((inputProperties["adminApiKey"] as Wire)["secret"], true);
        assert.equal(properties["adminApiKey"], undefined);
        assert.deepEqual(requiredInputs, ["mount", "organizationId", "adminApiKey", "adminApiKeyId"]);
    });

    it("give a docs page for each resource that names each input", () => {
        const pages = resourcePages(() => "");
        assert.match(pages["docs/resources/openai-role.md"]!, /\| `maxLive` \| integer \|/);
        assert.match(
            pages["docs/resources/openai-config.md"]!,
            /\| `adminApiKey` \| string \| required, write-only secret \|/,
        );
        assert.equal(Object.keys(pages).length, 6);
    });
});
