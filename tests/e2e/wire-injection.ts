// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { ConfigMap } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab";
import { arrivals, forgetArrivals } from "./arrivals";
import { openaiConfig, stackConfig } from "./example-config";
import { helperNeverDied, nodeIsClean, reported, upWithInjection } from "./injection-stack";
import { eventually, simulatorState } from "./probe";
import { LabStack } from "./stack";
import { inMemory, Tap } from "./tap";
import { type Call, Unit } from "./unit";
import { WireNode } from "./wire-node";

const binding = "wire-agent-openai";
const host = "api.openai.com";
/** The form of a key that the secrets engine has made. */
const keyForm = "sk-svcacct-[A-Za-z0-9_-]{20}";

/** examples/wire-injection on a lab, step by step: an AI agent uses OpenAI and never holds a key. */
export class WireInjection {
    private unit!: Unit;

    private constructor(
        private readonly lab: Lab,
        readonly stack: LabStack,
    ) {}

    static async begin(lab: Lab): Promise<WireInjection> {
        const scenario = new WireInjection(lab, await LabStack.open(lab, "wire", "wire-injection"));
        await scenario.stack.configure(scenario.config());
        scenario.unit = await Unit.install(lab, "wire-injection", "wire-agent", { WIRE_AGENT_INTERVAL_MS: "500" });
        return scenario;
    }

    private config(overrides: Record<string, string> = {}): ConfigMap {
        const { lab } = this;
        const added = { ...openaiConfig(lab), ...overrides };
        return stackConfig(lab, "wire-injection", added, { adminKey: lab.simulator.adminKey });
    }

    /** One `pulumi up` brings the binding to OK, and says so in the stack's outputs and in the object's status. */
    async up() {
        return upWithInjection(this.lab, this.stack, binding, host);
    }

    /** The bound process lists models and completes a chat; the server sees one Authorization with the live key. */
    async use() {
        await forgetArrivals(this.lab);
        const calls = await this.goodCalls(["models", "chat"]);
        assert.ok((calls["models"]?.models ?? 0) > 0);
        assert.match(calls["chat"]?.reply ?? "", /\w/);
        const [{ accounts, live_keys }, came] = [await simulatorState(this.lab), await arrivals(this.lab)];
        assert.equal(live_keys, 1);
        for (const [method, path] of [
            ["GET", "/v1/models"],
            ["POST", "/v1/chat/completions"],
        ] as const) {
            const arrival = came.find((one) => one.method === method && one.path === path);
            assert.ok(arrival, `${method} ${path} has not come`);
            const { status, headers, authorizations, key_id } = arrival;
            assert.deepEqual(
                { status, headers, authorizations, key_id },
                { status: 200, headers: ["authorization"], authorizations: 1, key_id: accounts[0]?.key_id },
            );
        }
        const status = await reported(this.lab, binding, ({ injected }) => injected > 0);
        return { calls: Object.values(calls), keyId: accounts[0]!.key_id, status };
    }

    /** What is not allowed fails in the process with EACCES; nothing of it leaves, and it is counted. */
    async refuse() {
        const since = await this.unit.now();
        const refused = await eventually(async () => {
            const call = (await this.unit.calls(since)).find((one) => one.call === "files");
            assert.ok(call, "the bound process has not tried");
            return call;
        }, 60_000);
        assert.deepEqual([refused.ok, refused.error], [false, "EACCES"]);
        assert.deepEqual(
            (await arrivals(this.lab)).filter(({ path }) => path.startsWith("/v1/files")),
            [],
        );
        const status = await reported(this.lab, binding, (seen) => seen.refused > 0);
        return { call: refused.call, error: refused.error, counted: status.refused };
    }

    /** The key is not in the memory of the process that uses it; its placeholder is. */
    async memory() {
        const [keys, placeholders] = await inMemory(this.lab, await this.unit.pid(), [keyForm, "Bearer riptides"]);
        assert.ok(placeholders! > 0, "the search does not even find the placeholder");
        assert.equal(keys, 0, "the process holds a key");
        return { keys, placeholders };
    }

    /** A capture of every interface holds neither the key nor the request; what an unbound process writes it does hold. */
    async capture() {
        const tap = await Tap.start(this.lab);
        const since = await this.unit.now();
        let counts: number[];
        try {
            await this.goodCalls(["models", "chat"], since);
            await this.lab.node.exec("curl -sS http://api.openai.com:443/v1/unbound");
        } finally {
            counts = await tap.stop([
                keyForm,
                "(GET /v1/models|POST /v1/chat/completions)",
                "Bearer riptides",
                "Say hello",
                "GET /v1/unbound",
            ]);
        }
        const [key, request, placeholder, body, unbound] = counts;
        assert.ok(unbound! > 0, "the capture does not even hold what left in clear");
        assert.deepEqual({ key, request, placeholder, body }, { key: 0, request: 0, placeholder: 0, body: 0 });
        return { key, request, placeholder, body };
    }

    /** The same words from a process that is not bound get no key: the server is met by plain HTTP on its TLS port. */
    async unbound() {
        await this.unit.must("systemctl stop wire-agent.service");
        try {
            const settled = (await arrivals(this.lab)).length;
            const curl = "curl -sS -o /dev/null -w %{http_code} http://api.openai.com:443/v1/models";
            const answers = {
                "another program of the same user": await this.unit.must(`runuser -u agent -- ${curl}`),
                root: await this.unit.must(curl),
            };
            assert.deepEqual(Object.values(answers), ["400", "400"]);
            const { code, stdout } = await this.lab.node.exec(
                "runuser -u agent -- env WIRE_AGENT_ONCE=1 WIRE_AGENT_CALLS=models /usr/local/bin/wire-agent",
            );
            const outside = JSON.parse(stdout) as Call;
            assert.deepEqual([code, outside.ok, outside.error], [1, false, "HTTP 400"]);
            assert.equal((await arrivals(this.lab)).length, settled, "a request of an unbound process was served");
            return { ...answers, "the same program outside its unit": outside.error };
        } finally {
            await this.unit.restart();
        }
    }

    /** A key that is replaced is used from the next request on, on the connection that is open. */
    async rotate() {
        await this.unit.restart({ WIRE_AGENT_CALLS: "models", WIRE_AGENT_INTERVAL_MS: "200" });
        await this.goodCalls(["models"]);
        const old = (await simulatorState(this.lab)).accounts[0]?.key_id;
        await forgetArrivals(this.lab);
        await this.stack.configure(this.config({ refreshTrigger: String(Date.now()) }));
        await this.stack.up();
        const seen = await eventually(async () => {
            const came = await arrivals(this.lab);
            const next = came.find((one) => one.key_id !== undefined && one.key_id !== old);
            assert.ok(next, "no request has come with another key");
            const first = came.find((one) => one.connection === next.connection);
            assert.equal(first?.key_id, old, "the new key came over another connection");
            return { came, next };
        }, 120_000);
        assert.deepEqual(
            seen.came.filter(({ status, key_id }) => status !== 200 || key_id === undefined),
            [],
            "a request met a dead key",
        );
        await this.unit.restart();
        return { keys: [old, seen.next.key_id], requests: seen.came.length, connection: "the same" };
    }

    /** A process that brings its own TLS is left alone: no key is added, and the status says so. */
    async ownTls() {
        const since = await this.unit.now();
        await this.unit.restart({
            WIRE_AGENT_CALLS: "models",
            OPENAI_BASE_URL: "https://api.openai.com/v1",
            NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ca-certificates.crt",
        });
        const call = await eventually(async () => {
            const last = (await this.unit.calls(since)).filter((one) => one.status !== undefined && !one.ok).at(-1);
            assert.ok(last, "the process has not called");
            return last;
        }, 60_000);
        assert.equal(call.status, 401);
        const status = await reported(this.lab, binding, ({ ownTls }) => ownTls);
        await this.unit.restart();
        return { answer: call.status, ownTls: status.ownTls };
    }

    /** The node's side of it, for the same workload. */
    get node(): WireNode {
        return new WireNode(this.lab, this.unit, binding);
    }

    /** Destroy leaves no live key, no agent, no module. */
    async destroy() {
        await helperNeverDied(this.lab);
        await this.stack.destroy();
        const { accounts, live_keys } = await simulatorState(this.lab);
        assert.deepEqual({ accounts, live_keys }, { accounts: [], live_keys: 0 });
        await nodeIsClean(this.lab);
        await this.unit.remove();
        await this.stack.remove();
        return { liveKeys: live_keys, node: "no agent, no module, no helper" };
    }

    /** Waits for a good call of each kind. */
    private async goodCalls(names: string[], since?: number): Promise<Record<string, Call>> {
        const from = since ?? (await this.unit.now());
        return eventually(async () => {
            const calls = await this.unit.calls(from);
            const good = names.map(
                (name) => [name, calls.filter((one) => one.call === name && one.ok).at(-1)] as const,
            );
            const missing = good.filter(([, call]) => !call).map(([name]) => name);
            assert.deepEqual(missing, [], `calls of the bound process: ${JSON.stringify(calls.slice(-4))}`);
            return Object.fromEntries(good) as Record<string, Call>;
        }, 120_000);
    }
}
