// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Duration, RiptidesError } from "../../api";
import { judgeBinding, type Binding } from "../../provider/binding-status/condition";
import { TimedOut, waitFor, type Source, type Verdict } from "../../provider/wait/wait";
import { ProviderClock, settle } from "../fakes/provider-clock";

type Step = Verdict<string>;

/** A source that gives what the test pushes. */
class Pushed implements Source<Step> {
    #values: Step[] = [];
    #wake: () => void = () => undefined;
    stopped = false;

    push(value: Step): Promise<void> {
        this.#values.push(value);
        this.#wake();
        return settle();
    }

    async *observe(signal: AbortSignal): AsyncIterable<Step> {
        signal.addEventListener("abort", () => {
            this.stopped = true;
            this.#wake();
        });
        while (!signal.aborted) {
            const value = this.#values.shift();
            if (value) {
                yield value;
            } else {
                await new Promise<void>((resolve) => (this.#wake = resolve));
            }
        }
    }
}

const waiting: Step = { kind: "waiting", status: "waiting for it" };
const ready: Step = { kind: "ready", result: "there" };
const failed = (why: string): Step => ({
    kind: "failed",
    status: `FAILED: ${why}`,
    failure: new RiptidesError("BindingFailed", { reason: why }),
});

describe("waiting", () => {
    let clock: ProviderClock;
    let source: Pushed;
    let stop: AbortController;
    let statuses: string[];

    beforeEach(() => {
        clock = new ProviderClock();
        source = new Pushed();
        stop = new AbortController();
        statuses = [];
    });

    function start(): Promise<{ result?: string; error?: Error }> {
        return waitFor(source, (step: Step) => step, {
            timeout: Duration.parse("5m"),
            grace: Duration.parse("30s"),
            clock,
            signal: stop.signal,
            status: (text) => statuses.push(text),
        }).then(
            (result) => ({ result }),
            (error: Error) => ({ error }),
        );
    }

    it("ends with the result, stops the source and leaves no timer", async () => {
        const end = start();
        await source.push(waiting);
        await source.push(ready);
        assert.deepEqual(await end, { result: "there" });
        await settle();
        assert.equal(source.stopped, true);
        assert.equal(clock.pending, 0);
    });

    it("says each status once", async () => {
        const end = start();
        await source.push(waiting);
        await source.push(waiting);
        await source.push(failed("no role"));
        await source.push(ready);
        await end;
        assert.deepEqual(statuses, ["waiting for it", "FAILED: no role"]);
    });

    it("lets a failure pass that ends within the grace", async () => {
        const end = start();
        await source.push(failed("not yet"));
        await clock.pass(Duration.parse("29s"));
        await source.push(waiting);
        await clock.pass(Duration.parse("1m"));
        await source.push(ready);
        assert.deepEqual(await end, { result: "there" });
    });

    it("ends with the latest failure when the grace is over, counted from the first", async () => {
        const end = start();
        await source.push(failed("no role"));
        await clock.pass(Duration.parse("20s"));
        await source.push(failed("no policy"));
        await clock.pass(Duration.parse("10s"));
        assert.match((await end).error!.message, /^no policy\./);
    });

    it("begins a new grace for a failure that comes back", async () => {
        const end = start();
        await source.push(failed("once"));
        await clock.pass(Duration.parse("20s"));
        await source.push(waiting);
        await source.push(failed("twice"));
        await clock.pass(Duration.parse("20s"));
        await source.push(ready);
        assert.deepEqual(await end, { result: "there" });
    });

    it("ends at the timeout with the last verdict", async () => {
        const end = start();
        await source.push(waiting);
        await clock.pass(Duration.parse("5m"));
        const { error } = await end;
        assert.ok(error instanceof TimedOut);
        assert.deepEqual(error.last, waiting);
    });

    it("ends at once when cancelled", async () => {
        const end = start();
        stop.abort(new Error("cancelled"));
        assert.equal((await end).error!.message, "cancelled");
    });
});

describe("the judgement of a binding", () => {
    const binding = (status: Binding["status"], generation = 2): Binding => ({
        metadata: { name: "b", namespace: "ns", generation },
        spec: { workloadID: "w", credentialSource: "s", propagation: { sysfs: {} } },
        status,
    });
    const cases: [string, Binding | undefined, string, RegExp][] = [
        ["no binding", undefined, "waiting", /to exist/],
        ["no status", binding(undefined), "waiting", /agent to report/],
        ["OK of an older generation", binding({ state: "OK", observedGeneration: 1 }), "waiting", /generation 1 of 2/],
        ["FAILED of an older generation", binding({ state: "FAILED", observedGeneration: 1 }), "waiting", /generation/],
        [
            "FAILED",
            binding({ state: "FAILED", reason: "VaultSealed", message: "it is sealed." }),
            "failed",
            /VaultSealed/,
        ],
    ];
    for (const [name, value, kind, status] of cases) {
        it(`of ${name} is ${kind}`, () => {
            const verdict = judgeBinding(value);
            assert.equal(verdict.kind, kind);
            assert.match(verdict.kind === "ready" ? "" : verdict.status, status);
        });
    }

    it("of OK gives the outputs, without times", () => {
        const verdict = judgeBinding(
            binding({
                state: "OK",
                observedGeneration: 2,
                agent: "riptides/daemon/a",
                expiresAt: "2026-01-01T00:00:00Z",
                updateAt: "2026-01-01T00:00:00Z",
                sysfs: { files: [{ path: "/sys/x", type: "CREDENTIAL" }] },
            }),
            Date.UTC(2026, 0, 1),
        );
        assert.deepEqual(verdict, {
            kind: "ready",
            result: { state: "OK", agent: "riptides/daemon/a", files: [{ path: "/sys/x", type: "CREDENTIAL" }] },
        });
    });

    it("of FAILED names the reason, the agent and what to do about it", () => {
        const verdict = judgeBinding(
            binding({ state: "FAILED", reason: "VaultSealed", message: "it is sealed.", agent: "riptides/daemon/a" }),
        );
        assert.ok(verdict.kind === "failed");
        assert.match(
            verdict.failure.message,
            /riptides\/daemon\/a.*VaultSealed: it is sealed\. Unseal OpenBao.*\[BindingFailed\]/,
        );
    });
});
