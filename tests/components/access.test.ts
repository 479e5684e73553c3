// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { Ajv } from "ajv";
import * as pulumi from "@pulumi/pulumi";
import { credentialPath, kinds, spiffeId } from "../../api";
import * as riptides from "../../components";
import { injectFor } from "../../components/injected-process";
import { record, unknown } from "../../components/testing";
import { program } from "./program";

const path = credentialPath(spiffeId("example.org", "ai-agent"), "ai-agent-openai");

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
    return new Promise((resolve) => output.apply(resolve));
}

describe("OpenAIAccess", function () {
    // The first program of a process loads the SDKs.
    this.timeout(20_000);

    it("lets in one subject of one agent, with a token of two uses that outlives the longest key by a minute", async () => {
        const stack = await record(() => program());
        const { inputs } = stack.only("vault:jwt/authBackendRole:AuthBackendRole");
        assert.deepEqual(inputs, {
            backend: "jwt-ai-agent",
            roleName: "ai-agent",
            roleType: "jwt",
            userClaim: "sub",
            boundAudiences: ["vault"],
            boundSubject: "spiffe://example.org/ai-agent",
            boundClaims: { "riptides:agent": "00000000-0000-4000-8000-000000000001" },
            tokenType: "service",
            tokenNumUses: 2,
            tokenTtl: 3660,
            tokenMaxTtl: 3660,
            tokenExplicitMaxTtl: 3660,
            tokenNoDefaultPolicy: true,
            tokenPolicies: ["read-ai-agent-openai"],
        });
    });

    it("trusts the node's key, trimmed as the server keeps it, and one issuer", async () => {
        const stack = await record(() => program());
        const { inputs } = stack.only("vault:jwt/authBackend:AuthBackend");
        assert.equal(inputs.boundIssuer, "spiffe://example.org");
        const [key] = inputs.jwtValidationPubkeys as [string];
        assert.match(key, /^-----BEGIN PUBLIC KEY-----\n.*\n-----END PUBLIC KEY-----$/s);
    });

    it("grants one read and the token's own end, nothing else", async () => {
        const stack = await record(() => program());
        assert.equal(
            stack.only("vault:index/policy:Policy").inputs.policy,
            [
                'path "openai/creds/ai-agent" {\n  capabilities = ["read"]\n}\n',
                'path "auth/token/revoke-self" {\n  capabilities = ["update"]\n}\n',
            ].join("\n"),
        );
    });

    it("writes objects that its own schemas take", async () => {
        const stack = await record(() =>
            program({ access: { vaultCaBundle: "pem", vaultNamespace: "team", refreshTrigger: "1" } }),
        );
        for (const kind of [kinds.service, kinds.credentialSource, kinds.workloadIdentity, kinds.credentialBinding]) {
            const object = stack.only(`kubernetes:core.riptides.io/v1alpha1:${kind.kind}`).inputs;
            const ajv = new Ajv({ strict: false });
            assert.ok(ajv.validate({ ...kind.spec, additionalProperties: false }, object.spec), ajv.errorsText());
            assert.equal((object.metadata as { namespace: string }).namespace, "riptides-system");
        }
    });

    it("knows the file in preview, when nothing exists yet", async () => {
        const stack = await record(() => program().access, { preview: true });
        assert.equal(await valueOf(stack.result.path), path);
        assert.deepEqual(await valueOf(stack.result.files), [{ path, type: "CREDENTIAL" }]);
    });

    it("gives after up what the agent reported", async () => {
        const files = [{ path: "/sys/module/riptides/credentials/x/crb-y/vault.json", type: "CREDENTIAL" }];
        const stack = await record(() => program().access, {
            outputs: ({ type }) =>
                type === "riptides:index:BindingStatus"
                    ? { state: "FAILED", reason: "VaultSealed", message: "sealed", files }
                    : undefined,
        });
        const { state, reason, message, files: reported } = stack.result;
        assert.deepEqual(await Promise.all([state, reason, message].map((output) => valueOf<unknown>(output))), [
            "FAILED",
            "VaultSealed",
            "sealed",
        ]);
        assert.deepEqual(await valueOf(reported), files);
    });

    it("previews what depends on the node as unknown, and the rest as it will be", async () => {
        const stack = await record(() => program(), { preview: true });
        const role = stack.only("vault:jwt/authBackendRole:AuthBackendRole").inputs;
        assert.deepEqual(role.boundClaims, { "riptides:agent": unknown });
        assert.equal(role.boundSubject, "spiffe://example.org/ai-agent");
        assert.deepEqual(stack.only("vault:jwt/authBackend:AuthBackend").inputs.jwtValidationPubkeys, [unknown]);
        const identity = stack.only("kubernetes:core.riptides.io/v1alpha1:WorkloadIdentity").inputs.spec;
        assert.deepEqual(identity, {
            workloadID: "ai-agent",
            scope: { agent: { id: unknown } },
            selectors: [{ "process:binary:path": "/usr/local/bin/ai-agent", "systemd:unit": "ai-agent.service" }],
        });
    });

    describe("twice on a node", () => {
        const binaryPath = "/usr/local/bin/ai-agent";
        const twice = (process: riptides.WorkloadProcess, deliver: riptides.KeyDelivery = { wire: true }) =>
            record(() => {
                const { engine, node } = program({ access: { process: { binaryPath }, deliver: { wire: true } } });
                new riptides.OpenAIAccess("second", {
                    engine,
                    node,
                    projectId: "proj_2",
                    process,
                    deliver,
                    vaultAddress: "https://bao.example.org:8200",
                });
            });

        it("is refused when both inject for the same process, one of all its facts or of some", async () => {
            for (const process of [{ binaryPath }, { binaryPath, uid: 1000 }]) {
                await assert.rejects(twice(process), (error: Error) => {
                    assert.match(
                        error.message,
                        /process: OpenAIAccess "ai-agent" injects for the same process of the node at api\.openai\.com:443\. Give .*\[InjectionClash\]/,
                    );
                    return true;
                });
            }
        });

        it("is refused as soon as the facts are known when another resource gives them", async () => {
            const late = await record(async () => {
                const { node } = program({ access: { process: { binaryPath }, deliver: { wire: true } } });
                const known = { binaryPath: pulumi.output(Promise.resolve(binaryPath)) };
                const output = injectFor("second", node, known, "api.openai.com:443");
                await (output as unknown as { promise(): Promise<void> }).promise();
            }).then(
                () => "taken",
                (error: Error) => error.message,
            );
            assert.match(late, /\[InjectionClash\]$/);
        });

        it("is not judged in a preview that does not know the facts", async () => {
            await record(
                () => {
                    const { node, access } = program({ access: { process: { binaryPath }, deliver: { wire: true } } });
                    injectFor("second", node, { binaryPath: access.status.agent as pulumi.Output<string> }, "x");
                },
                { preview: true },
            );
        });

        it("is left to the node when the facts differ, or one key is only a file", async () => {
            await twice({ uid: 1000 });
            await twice({ binaryPath: "/usr/local/bin/other" });
            await twice({ binaryPath }, { file: true });
        });
    });

    it("asks again for the status when any of the three objects behind it changes", async () => {
        const generations = { CredentialBinding: 2, CredentialSource: 3, WorkloadIdentity: 5 };
        const stack = await record(() => program(), {
            outputs: ({ type, inputs }) => {
                const generation = generations[type.split(":").at(-1) as keyof typeof generations];
                return generation === undefined
                    ? undefined
                    : { metadata: { ...(inputs.metadata as object), generation } };
            },
        });
        assert.equal(stack.only("riptides:index:BindingStatus").inputs.generation, "2.3.5");
    });

    it("makes the binding last, after everything the agent's first try needs", async () => {
        const stack = await record(() => program());
        const { dependencies } = stack.only("kubernetes:core.riptides.io/v1alpha1:CredentialBinding");
        for (const needed of [
            "kubernetes:core.riptides.io/v1alpha1:CredentialSource",
            "kubernetes:core.riptides.io/v1alpha1:WorkloadIdentity",
            "vault:jwt/authBackendRole:AuthBackendRole",
            "vault:index/policy:Policy",
            "riptides:openai:Role",
        ]) {
            assert.ok(dependencies.includes(stack.only(needed).urn), needed);
        }
    });

    it("is destroyed in the order role, configuration, mount, plugin, so that each delete can still revoke keys", async () => {
        const stack = await record(() => program());
        const order = [
            "riptides:openai:Role",
            "riptides:openai:Config",
            "vault:index/mount:Mount",
            "riptides:openai:Plugin",
        ].map((type) => stack.only(type));
        for (const [index, needed] of order.slice(1).entries()) {
            assert.ok(order[index]!.dependencies.includes(needed.urn), `${order[index]!.type} before ${needed.type}`);
        }
        assert.deepEqual(
            order.map(({ deletedWith }) => deletedWith),
            ["", "", "", ""],
        );
    });

    it("takes every published name", async () => {
        const names = {
            role: "my-role",
            policy: "read-openai-apikeys",
            jwtMount: "jwt",
            jwtRole: "openai-apikeys",
            service: "openai-api",
            credentialSource: "vault-openai-apikeys",
            workloadIdentity: "agent-identity",
            credentialBinding: "vault-openai-apikeys-binding",
        };
        const stack = await record(() => program({ access: { names, workloadId: "team/agent" } }));
        const object = (kind: string) => stack.only(`kubernetes:core.riptides.io/v1alpha1:${kind}`).inputs;
        const name = (kind: string) => (object(kind).metadata as { name: string }).name;
        assert.deepEqual(
            [
                stack.only("riptides:openai:Role").inputs.name,
                stack.only("vault:index/policy:Policy").inputs.name,
                stack.only("vault:jwt/authBackend:AuthBackend").inputs.path,
                stack.only("vault:jwt/authBackendRole:AuthBackendRole").inputs.roleName,
                name("Service"),
                name("CredentialSource"),
                name("WorkloadIdentity"),
                name("CredentialBinding"),
            ],
            Object.values(names),
        );
        assert.deepEqual(object("CredentialBinding").spec, {
            workloadID: "team/agent",
            credentialSource: "vault-openai-apikeys",
            propagation: { sysfs: {} },
        });
        assert.deepEqual(object("CredentialSource").spec, {
            vault: {
                address: "https://bao.example.org:8200",
                jwtAuthMethodPath: "jwt",
                role: "openai-apikeys",
                path: "openai/creds/my-role",
                audience: ["vault"],
            },
        });
    });

    it("takes an engine that is kept elsewhere, by its path", async () => {
        const stack = await record(() => program({ access: { engine: "/team/openai/" } }));
        assert.equal(stack.only("riptides:openai:Role").inputs.mount, "team/openai");
        const { vault } = stack.only("kubernetes:core.riptides.io/v1alpha1:CredentialSource").inputs.spec as {
            vault: { path: string };
        };
        assert.equal(vault.path, "team/openai/creds/ai-agent");
    });

    describe("on the wire", () => {
        const wire = (deliver: riptides.KeyDelivery, preview = false) =>
            record(() => program({ access: { deliver } }).access, { preview });
        const spec = (stack: Awaited<ReturnType<typeof wire>>, kind: string) =>
            stack.only(`kubernetes:core.riptides.io/v1alpha1:${kind}`).inputs.spec as Record<string, unknown>;
        const services = [{ host: "api.openai.com", port: 443 }];

        it("binds to its own Service, by label", async () => {
            const stack = await wire({ wire: true });
            const labels = { api: "openai", service: "ai-agent-openai" };
            assert.deepEqual(spec(stack, "CredentialBinding").propagation, { injection: { selectors: [labels] } });
            assert.deepEqual(spec(stack, "Service").labels, labels);
        });

        it("has no file, and knows in preview where the key goes and what URL a client needs", async () => {
            for (const preview of [true, false]) {
                const { result } = await wire({ wire: true }, preview);
                assert.deepEqual(await valueOf(result.files), []);
                assert.equal(await valueOf(result.path), "");
                assert.deepEqual(await valueOf(result.injection), { services });
                assert.equal(await valueOf(result.baseUrl), "http://api.openai.com:443/v1");
            }
        });

        it("goes together with a file", async () => {
            const stack = await wire({ file: true, wire: true }, true);
            const selectors = [{ api: "openai", service: "ai-agent-openai" }];
            assert.deepEqual(spec(stack, "CredentialBinding").propagation, { sysfs: {}, injection: { selectors } });
            assert.deepEqual(await valueOf(stack.result.files), [{ path, type: "CREDENTIAL" }]);
            assert.deepEqual(await valueOf(stack.result.injection), { services });
        });

        it("gives its place up before a binding of a new name takes it, while a file needs no gap", async () => {
            for (const [deliver, first] of [
                [{ wire: true }, true],
                [{ file: true }, false],
            ] as const) {
                const stack = await record(() => program({ access: { deliver } }));
                assert.equal(
                    stack.only("kubernetes:core.riptides.io/v1alpha1:CredentialBinding").deleteBeforeReplace,
                    first,
                );
            }
        });

        it("takes rules, header, scheme, field and authorities", async () => {
            const allow = [{ methods: ["POST"], pathPrefixes: ["/v1/chat/completions"] }];
            const settings = { allow, header: "X-Api-Key", scheme: "", field: "token" };
            const stack = await wire({ wire: { ...settings, caBundle: "pem" } });
            const { injection } = spec(stack, "CredentialBinding").propagation as { injection: object };
            assert.deepEqual(injection, { selectors: [{ api: "openai", service: "ai-agent-openai" }], ...settings });
            assert.equal(spec(stack, "Service").caBundle, "pem");
            for (const kind of [kinds.service, kinds.credentialBinding]) {
                const ajv = new Ajv({ strict: false });
                assert.ok(
                    ajv.validate({ ...kind.spec, additionalProperties: false }, spec(stack, kind.kind)),
                    ajv.errorsText(),
                );
            }
        });

        it("waits again when the Service changes", async () => {
            const stack = await wire({ wire: true });
            assert.equal(stack.only("riptides:index:BindingStatus").inputs.generation, "1.1.1.1");
        });

        it("changes nothing for a key that is only a file", async () => {
            const stack = await wire({ file: true });
            assert.deepEqual(spec(stack, "Service").labels, { api: "openai" });
            assert.deepEqual(spec(stack, "CredentialBinding").propagation, { sysfs: {} });
            assert.equal(stack.only("riptides:index:BindingStatus").inputs.generation, "1.1.1");
            assert.equal(await valueOf(stack.result.injection), undefined);
            assert.equal(await valueOf(stack.result.baseUrl), "https://api.openai.com/v1");
        });

        it("lets the agent read Services", async () => {
            const stack = await wire({ wire: true });
            const { rules } = stack.only("kubernetes:rbac.authorization.k8s.io/v1:Role").inputs as {
                rules: { resources: string[]; verbs: string[] }[];
            };
            const [reading] = rules.filter(({ resources }) => resources.includes("services"));
            assert.deepEqual(reading!.verbs, ["get", "list", "watch"]);
        });
    });

    it("checks a binding of a program's own in preview", async () => {
        const binding = (injection: object) => () =>
            new riptides.CredentialBinding("b", {
                spec: {
                    workloadID: "w",
                    credentialSource: "s",
                    propagation: { injection: { selectors: [{ api: "s3" }], ...injection } },
                },
            });
        await record(binding({ sigv4: { region: "us-east-1", service: "s3" } }), { preview: true });
        await assert.rejects(
            record(binding({ sigv4: {}, scheme: "Bearer" }), { preview: true }),
            /spec\.propagation\.injection\.sigv4: a signature takes the place .*\[InvalidProperty\]/,
        );
    });

    it("warns in preview of a process that is known by its name alone", async () => {
        const spoofable = await record(() => program({ access: { process: { name: "ai-agent" } } }), { preview: true });
        assert.ok(spoofable.warnings.some((line) => line.includes("[Spoofable]") && line.includes("process:name")));
        const sound = await record(() => program({ access: { process: { name: "ai-agent", uid: 1000 } } }));
        assert.deepEqual(sound.warnings, []);
    });

    it("shows the status of a binding that is only read", async () => {
        const status = { state: "OK", expiresAt: "2030-01-01T00:00:00Z" };
        const stack = await record(() => riptides.CredentialBinding.get("b", "riptides-system/b"), {
            outputs: () => ({ status }),
        });
        assert.deepEqual(await valueOf(stack.result.status), status);
    });
});
