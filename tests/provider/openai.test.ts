// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Configuration } from "../../provider/configuration";
import { riptides } from "../../provider/provider";
import { FakeOpenBao } from "../fakes/openbao";
import { Harness, secretMark, type Wire } from "./client";

const oldSha = "1".repeat(64);
const newSha = "2".repeat(64);
const pluginType = "riptides:openai:Plugin";
const configType = "riptides:openai:Config";
const roleType = "riptides:openai:Role";

describe("the OpenAI resources", () => {
    let openbao: FakeOpenBao;
    let harness: Harness;
    let address: string;

    beforeEach(async () => {
        openbao = new FakeOpenBao();
        openbao.binaries.set("engine-1", oldSha).set("engine-2", newSha);
        address = await openbao.start();
        harness = await Harness.start(riptides(new Configuration({})));
        await harness.configure({ address, token: secretMark(openbao.token) });
    });

    afterEach(async () => {
        await harness.stop();
        await openbao.stop();
    });

    /** An object as the engine keeps it in its state. */
    interface Kept {
        id: string;
        outputs: Wire;
        inputs: Wire;
    }

    async function make(type: string, news: Wire): Promise<Kept> {
        const { inputs, failures } = await harness.check(type, news);
        assert.deepEqual(failures, []);
        const { id, properties } = await harness.create(type, inputs);
        return { id, outputs: properties, inputs };
    }

    async function change(type: string, kept: Kept, news: Wire): Promise<Kept> {
        const { inputs, failures } = await harness.check(type, news, kept.inputs);
        assert.deepEqual(failures, []);
        const outputs = await harness.update(type, {
            id: kept.id,
            olds: kept.outputs,
            oldInputs: kept.inputs,
            news: inputs,
        });
        return { id: kept.id, outputs, inputs };
    }

    const refresh = (type: string, kept: Kept) =>
        harness.read(type, kept.id, { olds: kept.outputs, inputs: kept.inputs });

    const plugin: Wire = { version: "v0.1.0", command: "engine-1", sha256: oldSha };
    const config: Wire = {
        mount: "openai",
        organizationId: "org-1",
        adminApiKey: "sk-admin-canary",
        adminApiKeyId: "key_1",
    };
    const role: Wire = { mount: "openai", name: "r", projectId: "proj_1", ttl: "15m", maxTtl: "1h" };

    async function mounted(): Promise<Kept> {
        const kept = await make(pluginType, plugin);
        openbao.mount("openai", "openai", "v0.1.0");
        openbao.requests.length = 0;
        return kept;
    }

    describe("Plugin", () => {
        it("registers, tries the plugin at a throwaway mount and leaves no mount behind", async () => {
            const { id, outputs } = await make(pluginType, { ...plugin, env: { DEBUG: "canary-value" } });
            assert.equal(id, "openai");
            assert.deepEqual(openbao.catalog.get("openai@v0.1.0")!.env, ["DEBUG=canary-value"]);
            assert.equal(openbao.mounts.size, 0);
            assert.equal(outputs["runningSha256"], oldSha);
            assert.doesNotMatch(JSON.stringify(outputs), /canary/);
        });

        it("ends a wrong checksum with the property, and leaves no entry", async () => {
            await assert.rejects(
                make(pluginType, { ...plugin, sha256: newSha }),
                /sha256: .*checksums did not match.*\[PluginChecksum\]/,
            );
            assert.equal(openbao.catalog.size, 0);
        });

        it("tells why the trial failed even when its mount cannot be removed", async () => {
            openbao.fault = (line) =>
                line.startsWith("DELETE sys/mounts/riptides-try")
                    ? { status: 500, errors: ["cannot unmount"] }
                    : undefined;
            await assert.rejects(make(pluginType, { ...plugin, sha256: newSha }), /checksums did not match/);
            assert.match(JSON.stringify(harness.lines), /riptides-try-\w+ may be left: .*cannot unmount/);
        });

        it("ends a missing binary with the property", async () => {
            await assert.rejects(
                make(pluginType, { ...plugin, command: "nope" }),
                /command: .*no such file.*\[PluginMissing\]/,
            );
        });

        it("refuses an entry that the server's configuration file declares, and writes nothing", async () => {
            const declared = {
                version: "v0.1.0",
                command: "engine-1",
                sha256: oldSha,
                args: [],
                env: [],
                declarative: true,
            };
            openbao.catalog.set("openai@v0.1.0", declared);
            await assert.rejects(make(pluginType, plugin), /\[PluginDeclarative\]/);
            assert.deepEqual(
                openbao.requests.filter((line) => !line.startsWith("GET")),
                [],
            );
        });

        it("upgrades in the order register, tune, reload, deregister", async () => {
            const kept = await mounted();
            const next = await change(pluginType, kept, { version: "v0.2.0", command: "engine-2", sha256: newSha });
            const writes = openbao.requests.filter((line) => !line.startsWith("GET") && !line.includes("riptides-try"));
            assert.deepEqual(writes, [
                "POST sys/plugins/catalog/secret/openai",
                "POST sys/mounts/openai/tune",
                "POST sys/plugins/reload/backend",
                "DELETE sys/plugins/catalog/secret/openai",
            ]);
            assert.equal(openbao.mounts.get("openai")!.running_sha256, newSha);
            assert.deepEqual([...openbao.catalog.keys()], ["openai@v0.2.0"]);
            assert.equal(next.outputs["runningVersion"], "v0.2.0");
        });

        it("touches no live mount when the new version does not start", async () => {
            const kept = await mounted();
            await assert.rejects(
                change(pluginType, kept, { version: "v0.2.0", command: "engine-2", sha256: oldSha }),
                /PluginChecksum/,
            );
            assert.deepEqual([...openbao.catalog.keys()], ["openai@v0.1.0"]);
            assert.equal(openbao.mounts.get("openai")!.plugin_version, "v0.1.0");
        });

        it("sets the mounts back when the reload fails", async () => {
            const kept = await mounted();
            let reloads = 0;
            openbao.fault = (line) =>
                line === "POST sys/plugins/reload/backend" && reloads++ === 0
                    ? { status: 500, errors: ["reload broke"] }
                    : undefined;
            await assert.rejects(
                change(pluginType, kept, { version: "v0.2.0", command: "engine-2", sha256: newSha }),
                /reload broke/,
            );
            assert.equal(openbao.mounts.get("openai")!.plugin_version, "v0.1.0");
            assert.equal(openbao.mounts.get("openai")!.running_sha256, oldSha);
            assert.deepEqual([...openbao.catalog.keys()], ["openai@v0.1.0"]);
        });

        it("leaves nothing behind when it is cancelled while the plugin is tried", async () => {
            let cancelled: Promise<void> | undefined;
            openbao.fault = (line) => {
                if (line.startsWith("POST sys/mounts/riptides-try")) {
                    cancelled = harness.cancel();
                    return { status: 429, errors: ["later"], retryAfter: 60 };
                }
                return undefined;
            };
            await assert.rejects(make(pluginType, plugin), /cancelled/);
            await cancelled;
            assert.equal(openbao.catalog.size, 0);
            assert.equal(openbao.mounts.size, 0);
        });

        it("shows a mount that runs something else as a change", async () => {
            const kept = await mounted();
            openbao.mounts.get("openai")!.running_sha256 = newSha;
            const { properties, inputs } = await refresh(pluginType, kept);
            const { detailed } = await harness.diff(pluginType, {
                olds: properties,
                oldInputs: inputs,
                news: kept.inputs,
            });
            assert.deepEqual(detailed, { runningSha256: { kind: 4, inputdiff: false } });
        });

        it("refuses to deregister what a mount still runs", async () => {
            const { id, outputs, inputs } = await mounted();
            await assert.rejects(harness.delete(pluginType, id, outputs, inputs), /openai still run openai v0\.1\.0/);
            openbao.mounts.clear();
            await harness.delete(pluginType, id, outputs, inputs);
            assert.equal(openbao.catalog.size, 0);
            await harness.delete(pluginType, id, outputs, inputs);
        });

        it("is imported by name and version", async () => {
            const kept = await mounted();
            const { id, inputs } = await harness.read(pluginType, "openai@v0.1.0");
            assert.equal(id, "openai");
            assert.deepEqual(inputs, kept.inputs);
        });
    });

    describe("Config", () => {
        beforeEach(mounted);

        it("gives the key to the engine and to nothing else", async () => {
            const { id, outputs, inputs } = await make(configType, config);
            assert.equal(id, "openai/config");
            assert.equal(openbao.objects.get("openai/config")!["admin_api_key"], "sk-admin-canary");
            assert.doesNotMatch(JSON.stringify([outputs, inputs, harness.lines]), /canary/);
            assert.equal(outputs["adminApiKey"], undefined);
        });

        it("sends only what changed, so that a rotated key is not written over", async () => {
            const kept = await make(configType, config);
            Object.assign(openbao.objects.get("openai/config")!, {
                admin_api_key: "rotated",
                admin_api_key_id: "key_9",
            });
            await change(configType, kept, { ...config, rotationPeriod: "24h" });
            const { admin_api_key, admin_api_key_id, rotation_period } = openbao.objects.get("openai/config")!;
            assert.deepEqual([admin_api_key, admin_api_key_id, rotation_period], ["rotated", "key_9", 86400]);
        });

        it("takes back at the server what the program no longer says", async () => {
            const kept = await make(configType, {
                ...config,
                allowInsecureEndpoint: true,
                rotationPeriod: "24h",
            });
            const next = await change(configType, kept, config);
            const { allow_insecure_endpoint, rotation_period } = openbao.objects.get("openai/config")!;
            assert.deepEqual([allow_insecure_endpoint, rotation_period], [false, 0]);
            assert.deepEqual((await refresh(configType, next)).inputs, next.inputs);
        });

        it("sends a changed key with its id", async () => {
            const kept = await make(configType, config);
            openbao.objects.get("openai/config")!["admin_api_key_id"] = "key_9";
            await change(configType, kept, { ...config, adminApiKey: "sk-admin-second" });
            const { admin_api_key, admin_api_key_id } = openbao.objects.get("openai/config")!;
            assert.deepEqual([admin_api_key, admin_api_key_id], ["sk-admin-second", "key_1"]);
        });

        it("shows drift of the organization, and of the key's id only before the first rotation", async () => {
            const kept = await make(configType, config);
            const live = openbao.objects.get("openai/config")!;
            Object.assign(live, { organization_id: "org-2", admin_api_key_id: "key_9" });
            assert.deepEqual(pick((await refresh(configType, kept)).inputs), ["org-2", "key_9"]);
            live["last_rotated"] = "2026-01-01T00:00:00Z";
            assert.deepEqual(pick((await refresh(configType, kept)).inputs), ["org-2", "key_1"]);
        });

        const pick = (inputs: Wire) => [inputs["organizationId"], inputs["adminApiKeyId"]];

        it("sees no change after a refresh of an unchanged configuration", async () => {
            const kept = await make(configType, config);
            const { properties, inputs } = await refresh(configType, kept);
            assert.deepEqual(inputs, kept.inputs);
            assert.deepEqual(properties, kept.outputs);
        });

        it("ends a wrong key with the property and without the key, and can be made by a second try", async () => {
            openbao.fault = (line, body) =>
                line === "POST openai/config" && body["admin_api_key"] === "sk-admin-wrong-canary"
                    ? {
                          status: 400,
                          errors: [
                              "admin_api_key was refused by OpenAI for organization org-1: API error (401): sk-admin-wrong-canary",
                          ],
                      }
                    : undefined;
            await assert.rejects(
                make(configType, { ...config, adminApiKey: "sk-admin-wrong-canary" }),
                (error: Error) => {
                    assert.match(error.message, /adminApiKey: .*\[OpenAIUnauthorized\]/);
                    assert.doesNotMatch(error.message, /canary/);
                    return true;
                },
            );
            assert.equal(openbao.objects.has("openai/config"), false);
            await make(configType, config);
        });

        it("takes over a configuration with the same values, and does not overwrite another", async () => {
            await make(configType, config);
            await make(configType, config);
            await assert.rejects(
                make(configType, { ...config, organizationId: "org-2" }),
                /organizationId: openai\/config exists already and has "org-1".*pulumi import/,
            );
        });

        it("revokes every key of the mount before it deletes the configuration", async () => {
            const { id, outputs, inputs } = await make(configType, config);
            openbao.leases = ["openai/creds/a", "openai/creds/b", "openai2/creds/a"];
            openbao.requests.length = 0;
            await harness.delete(configType, id, outputs, inputs);
            assert.deepEqual(openbao.requests, ["POST sys/leases/revoke-prefix/openai/creds", "DELETE openai/config"]);
            assert.deepEqual(openbao.leases, ["openai2/creds/a"]);
        });

        it("keeps the configuration when keys cannot be revoked", async () => {
            const { id, outputs, inputs } = await make(configType, config);
            openbao.fault = (line) =>
                line.includes("revoke-prefix")
                    ? {
                          status: 400,
                          errors: [
                              "failed to revoke entry: error deleting service account: API error (500) from OpenAI",
                          ],
                      }
                    : undefined;
            await assert.rejects(harness.delete(configType, id, outputs, inputs), /\[OpenAIUnavailable\]/);
            assert.ok(openbao.objects.has("openai/config"));
        });

        it("is gone when its mount is", async () => {
            const kept = await make(configType, config);
            openbao.mounts.clear();
            assert.equal((await refresh(configType, kept)).id, "");
            openbao.fault = (line) =>
                line.includes("revoke-prefix")
                    ? { status: 404, errors: ['no handler for route "openai/creds". route entry not found.'] }
                    : undefined;
            await harness.delete(configType, kept.id, kept.outputs, kept.inputs);
        });
    });

    describe("Role", () => {
        beforeEach(mounted);

        it("is written with every field, times in seconds", async () => {
            const { id, outputs } = await make(roleType, role);
            assert.equal(id, "openai/roles/r");
            assert.equal(outputs["credentialsPath"], "openai/creds/r");
            assert.deepEqual(openbao.objects.get(id), {
                project_id: "proj_1",
                service_account_name_template: "vault-{{.RoleName}}-{{.RandomSuffix}}",
                service_account_description: "Service account created by Vault",
                ttl: 900,
                max_ttl: 3600,
            });
        });

        it("shows drift by refresh, and no change without drift", async () => {
            const kept = await make(roleType, role);
            assert.deepEqual((await refresh(roleType, kept)).inputs, kept.inputs);
            Object.assign(openbao.objects.get(kept.id)!, { ttl: 600, max_live: 3 });
            const { inputs } = await refresh(roleType, kept);
            const { detailed } = await harness.diff(roleType, {
                olds: kept.outputs,
                oldInputs: inputs,
                news: kept.inputs,
            });
            assert.deepEqual(Object.keys(detailed).sort(), ["maxLive", "ttl"]);
        });

        it("takes a limit away that the program no longer has", async () => {
            const kept = await make(roleType, { ...role, maxLive: 3 });
            await change(roleType, kept, role);
            assert.equal(openbao.objects.get(kept.id)!["max_live"], 0);
        });

        it("is imported by its path, cleanly", async () => {
            const { id, inputs } = await make(roleType, role);
            assert.deepEqual((await harness.read(roleType, id)).inputs, inputs);
            await assert.rejects(harness.read(roleType, "my-role"), /Use <mount>\/roles\/<name>/);
        });

        it("is not overwritten when it exists with other values", async () => {
            await make(roleType, role);
            await assert.rejects(
                make(roleType, { ...role, ttl: "20m" }),
                /ttl: openai\/roles\/r exists already and has "15m" here, not "20m"/,
            );
        });

        it("is deleted before its keys are revoked, so that no new one comes between", async () => {
            const { id, outputs, inputs } = await make(roleType, role);
            openbao.leases = ["openai/creds/r", "openai/creds/r2"];
            openbao.requests.length = 0;
            await harness.delete(roleType, id, outputs, inputs);
            assert.deepEqual(openbao.requests, [
                "DELETE openai/roles/r",
                "POST sys/leases/revoke-prefix/openai/creds/r",
            ]);
            assert.deepEqual(openbao.leases, ["openai/creds/r2"]);
        });

        it("names projectId when OpenAI does not know the project", async () => {
            openbao.fault = (line) =>
                line.startsWith("POST openai/roles")
                    ? {
                          status: 400,
                          errors: ['error validating project: project_id: organization org-1 has no project "x"'],
                      }
                    : undefined;
            await assert.rejects(make(roleType, role), /^Error: 2 UNKNOWN: projectId: .*\[OpenAIProjectNotFound\]/);
        });
    });

    describe("a server in trouble", () => {
        it("that is sealed says so", async () => {
            openbao.sealed = true;
            await assert.rejects(make(roleType, role), /Vault is sealed.*\[VaultSealed\]/);
        });

        it("that is not there names the address", async () => {
            await harness.configure({ address: "http://127.0.0.1:1", token: "t" });
            await assert.rejects(
                make(roleType, role),
                /address: no answer from http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*\[VaultUnreachable\]/,
            );
        });

        it("that knows no such token names the token and does not print it", async () => {
            await harness.configure({ address, token: secretMark("s.bad-canary-token") });
            await assert.rejects(make(roleType, role), (error: Error) => {
                assert.match(error.message, /token: .*403: permission denied.*VAULT_TOKEN/);
                assert.doesNotMatch(error.message, /canary/);
                return true;
            });
        });

        it("that throttles is asked again after the time it names", async () => {
            await mounted();
            let refusals = 2;
            openbao.fault = () =>
                refusals-- > 0 ? { status: 429, errors: ["rate limit quota exceeded"], retryAfter: 0.01 } : undefined;
            await make(roleType, role);
        });
    });
});
