// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { ConfigMap } from "@pulumi/pulumi/automation";
import { credentialPath, spiffeId } from "../../api";
import type { Lab } from "../../lab";
import { openaiConfig, stackConfig, trustDomain } from "./example-config";
import { askBao, askKube, eventually, type SimulatorState, simulatorState } from "./probe";
import { LabStack } from "./stack";
import { Unit } from "./unit";

const namespace = "riptides-system";
const binding = "vault-openai-apikeys-binding";

/** Configuration of examples/openai-agent for a lab. */
export function exampleConfig(lab: Lab, overrides: Record<string, string> = {}): ConfigMap {
    return stackConfig(
        lab,
        "openai-agent",
        { ...openaiConfig(lab), ...overrides },
        { adminKey: overrides["adminKey"] ?? lab.simulator.adminKey },
    );
}

/**
 * The main job, step by step, on a lab: each step checks what it says against the real parts and gives back what was seen.
 * The demo prints the steps; the end-to-end test asserts them.
 */
export class FirstLight {
    /** Where the key of examples/openai-agent is on its node. */
    static readonly path = credentialPath(spiffeId(trustDomain, "ai-agent"), binding);
    private workload!: Unit;

    private constructor(
        private readonly lab: Lab,
        readonly stack: LabStack,
    ) {}

    static async begin(lab: Lab): Promise<FirstLight> {
        const scenario = new FirstLight(lab, await LabStack.open(lab, "first-light", "openai-agent"));
        await scenario.stack.configure(exampleConfig(lab));
        scenario.workload = await Unit.install(lab, "openai-agent", "ai-agent", {
            AI_AGENT_KEY_FILE: FirstLight.path,
            AI_AGENT_INTERVAL_MS: "500",
        });
        return scenario;
    }

    /** Step 1: one `pulumi up` brings the binding to OK, and says so in the stack's outputs and in the object's status. */
    async up() {
        const run = await this.stack.up();
        const outputs = Object.fromEntries(
            Object.entries(run.outputs).map(([key, { value }]) => [key, value as unknown]),
        );
        assert.equal(outputs["state"], "OK");
        assert.deepEqual(outputs["files"], [{ path: FirstLight.path, type: "CREDENTIAL" }]);
        for (const name of ["agentId", "kernelRelease", "moduleVersion"]) {
            assert.ok(typeof outputs[name] === "string" && outputs[name] !== "", `output ${name}`);
        }
        const object = await askKube(
            this.lab,
            `/apis/core.riptides.io/v1alpha1/namespaces/${namespace}/credentialbindings/${binding}`,
        );
        assert.equal(object.status, 200);
        assert.equal(object.body.status.state, "OK");
        assert.deepEqual(object.body.status.sysfs.files, outputs["files"]);
        assert.equal(object.body.status.observedGeneration, object.body.metadata.generation);
        return { outputs, status: object.body.status as unknown };
    }

    /** Step 2: the bound process reads its key and lists models with it. */
    async use() {
        const since = await this.workload.now();
        const call = await eventually(async () => {
            const last = (await this.workload.calls(since)).at(-1);
            assert.ok(last?.ok, `the bound process has not listed models: ${JSON.stringify(last)}`);
            return last;
        }, 120_000);
        assert.equal(call.status, 200);
        assert.ok((call.models ?? 0) > 0);
        assert.deepEqual([...(call.fields ?? [])].sort(), [
            "api_key",
            "api_key_id",
            "service_account",
            "service_account_id",
        ]);
        const { accounts, live_keys } = await simulatorState(this.lab);
        assert.equal(live_keys, 1);
        assert.ok(
            accounts.some((account) => account.key_id === call.keyId),
            "the key in use is of an account that the engine made",
        );
        return call;
    }

    /** Step 3: nobody else reads the file, root included, and each refusal is counted. */
    async refuse() {
        const before = await this.denials();
        const readers = {
            "another process of the same user": `runuser -u agent -- cat ${FirstLight.path}`,
            "root's cat": `cat ${FirstLight.path}`,
            "the same program outside its unit": `runuser -u agent -- env AI_AGENT_KEY_FILE=${FirstLight.path} AI_AGENT_ONCE=1 /usr/local/bin/ai-agent`,
        };
        const refusals: Record<string, string> = {};
        for (const [reader, command] of Object.entries(readers)) {
            const { code, stdout, stderr } = await this.lab.node.exec(command);
            const said = `${stdout}${stderr}`;
            assert.notEqual(code, 0, `${reader} ended well`);
            assert.match(said, /Permission denied|EACCES/, reader);
            assert.ok(!said.includes("sk-"), `${reader} saw a key`);
            refusals[reader] = "Permission denied";
        }
        const counted = (await this.denials()) - before;
        assert.ok(counted >= Object.keys(readers).length, `only ${counted} denials were counted`);
        return { refusals, counted };
    }

    /** Step 4: keys are replaced ahead of their end; the bound process sees the new one while the old one lives, and never a dead or partial one. */
    async rotate() {
        const since = await this.workload.now();
        const first = await this.use();
        await this.stack.configure(exampleConfig(this.lab, { ttl: "60s", refreshTrigger: "demo" }));
        await this.stack.up();
        const second = await this.seesAnotherKey(since, first.keyId);
        // This one comes by itself, at two thirds of the short life.
        const third = await this.seesAnotherKey(since, second.keyId);
        const calls = await this.workload.calls(since);
        // A network that was slow for a moment is no bad key: a refusal or an unreadable file is.
        const bad = calls.filter((call) => !call.ok && (call.status !== undefined || call.readError !== undefined));
        assert.deepEqual(bad, [], "the bound process has met a dead or partial key");
        return { keys: [first.keyId, second.keyId, third.keyId], calls: calls.length, failures: bad.length };
    }

    /** Step 5: a second preview shows nothing; one changed field shows as that field, and is applied. */
    async change() {
        const applied = { refreshTrigger: "demo" };
        await this.stack.configure(exampleConfig(this.lab, { ...applied, ttl: "60s" }));
        const again = await this.stack.preview();
        assert.deepEqual(again.steps, []);
        await this.stack.configure(exampleConfig(this.lab, applied));
        const preview = await this.stack.preview();
        assert.deepEqual(
            preview.steps.map(({ type, op, fields }) => ({ type, op, fields })),
            [{ type: "riptides:openai:Role", op: "update", fields: ["ttl"] }],
        );
        const up = await this.stack.up();
        assert.deepEqual(up.steps, preview.steps);
        const role = await askBao(this.lab, "openai/roles/my-role");
        assert.equal(role.body.data.ttl, 900);
        const refreshed = await this.stack.refresh();
        assert.deepEqual(
            Object.keys(refreshed.changes),
            ["same"],
            "a refresh finds drift where nobody changed anything",
        );
        return { unchanged: again.steps.length, preview: preview.steps, ttl: role.body.data.ttl as number };
    }

    /** Step 6: destroy leaves nothing: no live key, no mount, no object, no agent, no module. */
    async destroy() {
        await this.stack.destroy();
        const { accounts, live_keys }: SimulatorState = await simulatorState(this.lab);
        assert.deepEqual({ accounts, live_keys }, { accounts: [], live_keys: 0 });
        for (const [what, list] of [
            ["mount", await askBao(this.lab, "sys/mounts")],
            ["JWT auth mount", await askBao(this.lab, "sys/auth")],
        ] as const) {
            assert.ok(!("openai/" in list.body.data) && !("jwt/" in list.body.data), `the ${what} is still there`);
        }
        assert.equal((await askBao(this.lab, "sys/policies/acl/read-openai-apikeys")).status, 404);
        const crds = await askKube(this.lab, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
        assert.deepEqual(crds.body.items, []);
        const left = await this.lab.node.exec(
            "ls -d /sys/module/riptides /dev/riptides* /usr/lib/riptides /etc/riptides /var/lib/riptides /run/riptides /etc/systemd/system/riptides-agent.service /etc/systemd/system/riptides-tls.service 2>/dev/null; systemctl is-active riptides-agent riptides-tls",
        );
        assert.match(left.stdout.trim(), /^((inactive|unknown)\n?){2}$/, "something is left on the node");
        await this.workload.remove();
        await this.stack.remove();
        return { accounts: accounts.length, liveKeys: live_keys, node: "no agent, no module, no files" };
    }

    private async denials(): Promise<number> {
        const health = await this.workload.must("cat /sys/module/riptides/health");
        return health
            .split("\n")
            .filter((line) => /^denied?s?[_ ]/.test(line) || line.startsWith("deny"))
            .reduce((sum, line) => sum + Number(line.split(/\s+/).at(-1)), 0);
    }

    /** Waits for a call with another key than `old`, then for the old one's end, which must come after the new one's first use. */
    private async seesAnotherKey(since: number, old: string | undefined) {
        const seen = await eventually(async () => {
            const good = (await this.workload.calls(since)).filter((call) => call.ok);
            const next = good.findIndex((call, index) => call.keyId !== old && good[index - 1]?.keyId === old);
            assert.ok(next > 0, `the bound process still has the key ${old}`);
            return good[next]!;
        }, 180_000);
        const ended = await eventually(async () => {
            const found = (await simulatorState(this.lab)).ended_keys.find((key) => key.key_id === old);
            assert.ok(found, `the old key ${old} is still live`);
            return found;
        }, 60_000);
        const { accounts, ended_keys } = await simulatorState(this.lab);
        const used = [...accounts, ...ended_keys].find((key) => key.key_id === seen.keyId)?.first_used_ms;
        assert.ok(used && used < ended.ended_ms, `the old key ${old} was dead before the process had the new one`);
        return seen;
    }
}
