// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Lab } from "../../lab";
import { certificate } from "../fakes/certificate";
import { bindingStatus } from "./injection-stack";
import { askKube, eventually, simulatorState } from "./probe";
import type { Unit } from "./unit";

const service = "/apis/core.riptides.io/v1alpha1/namespaces/riptides-system/services";
const waitMs = 90_000;
/** `ttl` of the example. */
const lifeMs = 15 * 60_000;

/** What becomes of a binding that injects when its Service, the node's agent or the TLS helper change. */
export class WireNode {
    constructor(
        private readonly lab: Lab,
        private readonly unit: Unit,
        /** Name of the binding, and of its Service. */
        private readonly name: string,
    ) {}

    /** Another authority at the Service is in force at once, with the same key; one that did not sign is refused and named. */
    async authority() {
        const key = await this.key();
        await this.trust(certificate);
        await this.fails("EPROTO");
        const refused = await this.reported(({ reason }) => reason === "TlsHandshake");
        assert.match(refused.message ?? "", /api\.openai\.com:443 failed in the TLS handshake: EPROTO/);
        const wrong = await this.stores();
        await this.trust(this.lab.bao.caPem);
        await this.works();
        const right = await this.stores();
        assert.deepEqual([wrong.length, right.length], [1, 1]);
        assert.notDeepEqual(wrong, right, "the store of the authority before is left");
        await this.trust(null);
        await this.works();
        assert.deepEqual(await this.stores(), []);
        await this.isKept(key, "a change of the Service made a new key");
        return { refused: refused.message, store: right[0], key: "the same" };
    }

    /** A restarted agent goes on with the key that the kernel holds. */
    async restart() {
        const key = await this.key();
        await this.unit.must("systemctl restart riptides-agent");
        await this.works();
        await this.isKept(key, "the restart made a new key");
        assert.equal((await this.reported(({ state }) => state === "OK")).state, "OK");
        return { key: "the same" };
    }

    /** Without the TLS helper no connection opens, and the status says why until it is back. */
    async helper() {
        await this.unit.must("systemctl stop riptides-tls");
        await this.unit.restart();
        await this.fails("EHOSTDOWN");
        const failed = await this.reported(({ state }) => state === "FAILED");
        assert.equal(failed.reason, "TlsHelper");
        await this.unit.must("systemctl start riptides-tls");
        await this.works();
        await this.reported(({ state }) => state === "OK");
        return { without: failed.reason, error: "EHOSTDOWN" };
    }

    private async trust(caBundle: string | null): Promise<void> {
        const answer = await askKube(this.lab, `${service}/${this.name}`, "PATCH", { spec: { caBundle } });
        assert.equal(answer.status, 200, JSON.stringify(answer.body));
    }

    private async stores(): Promise<string[]> {
        return (await this.unit.must("ls /run/riptides/trust 2>/dev/null || true")).split("\n").filter(Boolean);
    }

    /** The live key, and when the agent will replace it at the earliest: at 60 per cent of its life. */
    private async key(): Promise<{ id: string; dueMs: number }> {
        const { expiresAt } = await bindingStatus(this.lab, this.name);
        const { accounts } = await simulatorState(this.lab);
        const dueMs = Date.parse(expiresAt ?? "") - 0.4 * lifeMs;
        return { id: accounts.at(-1)!.key_id, dueMs };
    }

    private async isKept(before: { id: string; dueMs: number }, otherwise: string): Promise<void> {
        const { id } = await this.key();
        // On a slow machine the key may have been due meanwhile.
        assert.ok(id === before.id || Date.now() > before.dueMs, otherwise);
    }

    private reported(fits: (status: Awaited<ReturnType<typeof bindingStatus>>) => boolean) {
        return eventually(async () => {
            const status = await bindingStatus(this.lab, this.name);
            assert.ok(fits(status), `the binding's status is ${JSON.stringify(status)}`);
            return status;
        }, waitMs);
    }

    private async works(): Promise<void> {
        const since = await this.unit.now();
        await this.called(since, "a good call", ({ call, ok }) => call === "models" && ok);
    }

    private async fails(error: string): Promise<void> {
        const since = await this.unit.now();
        await this.called(since, error, (call) => call.call === "models" && call.error === error);
    }

    private async called(
        since: number,
        what: string,
        fits: (call: Awaited<ReturnType<Unit["calls"]>>[number]) => boolean,
    ): Promise<void> {
        await eventually(async () => {
            const calls = await this.unit.calls(since);
            assert.ok(calls.some(fits), `no ${what}: ${JSON.stringify(calls.slice(-4))}`);
        }, waitMs);
    }
}
