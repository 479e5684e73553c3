// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Lab, open } from "../../lab";
import { Canary } from "./canary";
import { WireInjection } from "./wire-injection";

describe("e2e: an AI agent uses OpenAI, and the key never enters its process", function () {
    this.timeout(10 * 60_000);
    // Each step stands on the one before it.
    this.bail(true);
    let lab: Lab;
    let scenario: WireInjection;

    before(async () => {
        lab = await open(process.env["RIPTIDES_LAB"]);
        scenario = await WireInjection.begin(lab);
    });

    it("given nothing, when up runs, then the binding is OK and outputs tell where the key is injected", () =>
        scenario.up());
    it("given the binding, when the bound process writes plain HTTP, then it lists models and completes a chat", () =>
        scenario.use());
    it("given rules, when the bound process asks for more, then it gets EACCES, nothing leaves and it is counted", () =>
        scenario.refuse());
    it("given a process that uses the key, when its memory is searched, then the key is not in it", () =>
        scenario.memory());
    it("given a capture on the node, when requests are injected, then it holds neither key nor request", () =>
        scenario.capture());
    it("given the binding, when other processes write the same, then they get no key", () => scenario.unbound());
    it("given an open connection, when the key rotates, then the next request on it has the new key", () =>
        scenario.rotate());
    it("given a bound process with its own TLS, when it calls, then nothing is injected and the status says so", () =>
        scenario.ownTls());
    it("given a Service, when its authorities change, then the server is checked against them and the key stays", () =>
        scenario.node.authority());
    it("given a key in the kernel, when the agent restarts, then it goes on with that key", () =>
        scenario.node.restart());
    it("given no TLS helper, when the bound process calls, then it gets EHOSTDOWN and the status says TlsHelper", () =>
        scenario.node.helper());
    it("given all that was printed, stored and logged, then no secret is in it", async () => {
        const canary = new Canary(lab);
        canary.search("output of pulumi", scenario.stack.printed.join(""));
        canary.searchFolder("state files", scenario.stack.stateDirectory);
        canary.searchLogs();
        await canary.searchNode();
        assert.deepEqual(canary.found, []);
    });
    it("given the stack, when destroy runs, then no key, agent or module is left", () => scenario.destroy());
});
