// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { RiptidesError } from "../../api";
import {
    computed,
    diffProperties,
    hasComputed,
    PartialFailure,
    type CreateRequest,
    type Provider,
    type Resource,
} from "../../provider/protocol";
import { Harness, initializationFailure, secretMark, unknownText } from "./client";

const type = "toy:index:Toy";

/** Remembers what reached it; its `mode` input chooses how it behaves. */
class Toy implements Resource {
    created: CreateRequest[] = [];
    aborted: unknown;

    check({ news }: Parameters<Resource["check"]>[0]) {
        if (news["size"] === -1) {
            throw new RiptidesError("InvalidProperty", { property: "size", reason: "-1 is too small" });
        }
        return { inputs: { colour: "red", ...news }, secrets: ["pin"] };
    }

    diff({ oldInputs, news, ignoreChanges }: Parameters<Resource["diff"]>[0]) {
        const changes = diffProperties(oldInputs, news, {
            ignore: ignoreChanges,
            replaces: (path) => path === "name",
        });
        return { changes, stables: ["serial"] };
    }

    async create(request: CreateRequest, context: Parameters<Resource["create"]>[1]) {
        this.created.push(request);
        context.status("making it");
        context.log("info", `pin is ${String(request.inputs["pin"])}`);
        if (request.inputs["mode"] === "break") {
            throw new Error(`bad pin ${String(request.inputs["pin"])}`);
        }
        if (request.inputs["mode"] === "half") {
            throw new PartialFailure("toy-1", { outputs: { ...request.inputs, serial: "1" } }, [
                new RiptidesError("AgentNotReady", { reason: "it does not move" }),
            ]);
        }
        if (request.inputs["mode"] === "hang") {
            await new Promise((_, reject) => {
                context.signal.addEventListener("abort", () => {
                    this.aborted = context.signal.reason;
                    reject(context.signal.reason as Error);
                });
            });
        }
        const serial = context.preview ? computed : "1";
        return { id: context.preview ? "" : "toy-1", outputs: { ...request.inputs, serial } };
    }

    async read({ id, inputs, olds }: Parameters<Resource["read"]>[0]) {
        return id === "gone" ? undefined : { id, outputs: olds, inputs, refreshBeforeUpdate: true };
    }

    async update({ news }: Parameters<Resource["update"]>[0]) {
        return { outputs: { ...news, serial: "1" } };
    }

    async delete() {}
}

describe("provider protocol", () => {
    let toy: Toy;
    let harness: Harness;

    beforeEach(async () => {
        toy = new Toy();
        const provider: Provider = {
            name: "toy",
            version: "1.2.3",
            schema: () => JSON.stringify({ name: "toy" }),
            resource: (token) => (token === type ? toy : undefined),
        };
        harness = await Harness.start(provider);
    });

    afterEach(() => harness.stop());

    it("accepts secrets and supports preview", async () => {
        assert.equal((await harness.handshake()).acceptSecrets, true);
        const configured = await harness.configure({});
        assert.equal(configured.acceptsecrets, true);
        assert.equal(configured.supportspreview, true);
        assert.deepEqual(await harness.schema(), { name: "toy" });
    });

    it("keeps the secret mark of inputs and adds that of the resource", async () => {
        const { inputs } = await harness.check(type, { pin: "abcdef", token: secretMark("t"), size: 2 });
        assert.deepEqual(inputs, { colour: "red", pin: secretMark("abcdef"), token: secretMark("t"), size: 2 });
    });

    it("gives plain values to the resource and marks its outputs", async () => {
        const { id, properties } = await harness.create(type, { pin: secretMark("abcdef"), size: 2 });
        assert.deepEqual(toy.created[0]!.inputs, { pin: "abcdef", size: 2 });
        assert.equal(id, "toy-1");
        assert.deepEqual(properties, { pin: secretMark("abcdef"), size: 2, serial: "1" });
    });

    it("carries computed values through a preview", async () => {
        const { id, properties } = await harness.create(type, { size: unknownText }, { preview: true });
        assert.ok(hasComputed(toy.created[0]!.inputs));
        assert.equal(id, "");
        assert.deepEqual(properties, { size: unknownText, serial: unknownText });
    });

    it("turns an error of check with a property into a failure", async () => {
        const { failures } = await harness.check(type, { size: -1 });
        assert.equal(failures.length, 1);
        assert.equal(failures[0]!.property, "size");
        assert.match(failures[0]!.reason, /^-1 is too small\. Correct .* \[InvalidProperty\]$/);
    });

    it("reports each changed property with its kind", async () => {
        const diff = await harness.diff(type, {
            olds: { name: "a", size: 1, gone: true, list: [1, 2], token: secretMark("x") },
            news: { name: "b", size: 1, new: "n", list: [1, 3, 4], token: secretMark("y") },
        });
        assert.equal(diff.changes, 2);
        assert.deepEqual(diff.detailed, {
            name: { kind: 5, inputdiff: true },
            gone: { kind: 2, inputdiff: true },
            new: { kind: 0, inputdiff: true },
            "list[1]": { kind: 4, inputdiff: true },
            "list[2]": { kind: 0, inputdiff: true },
            token: { kind: 4, inputdiff: true },
        });
        assert.deepEqual(diff.replaces, ["name"]);
    });

    it("honours ignoreChanges with everything below", async () => {
        const diff = await harness.diff(type, {
            olds: { labels: { a: "1", b: "1" }, size: 1 },
            news: { labels: { a: "2", b: "2" }, size: 2 },
            ignore: ["labels", "size"],
        });
        assert.equal(diff.changes, 1);
        assert.deepEqual(diff.detailed, {});
    });

    it("reports an object that exists but failed with id, properties and reasons", async () => {
        const error = await harness.create(type, { mode: "half", pin: secretMark("abcdef") }).catch((e: unknown) => e);
        const failure = initializationFailure(error);
        assert.equal(failure.id, "toy-1");
        assert.deepEqual(failure.properties, { mode: "half", pin: secretMark("abcdef"), serial: "1" });
        assert.match(failure.reasons[0]!, /it does not move.*\[AgentNotReady\]/);
    });

    it("blots secrets out of log lines and errors", async () => {
        await assert.rejects(harness.create(type, { mode: "break", pin: secretMark("hunter22") }), (error: Error) => {
            assert.match(error.message, /bad pin \[secret\]/);
            return true;
        });
        assert.deepEqual(
            harness.lines.map(({ message, ephemeral }) => ({ message, ephemeral })),
            [
                { message: "making it", ephemeral: true },
                { message: "pin is [secret]", ephemeral: false },
            ],
        );
    });

    it("answers an empty id when the object is gone, and passes refreshBeforeUpdate to engines that know it", async () => {
        assert.equal((await harness.read(type, "gone")).id, "");
        assert.equal((await harness.read(type, "toy-1", { olds: { a: 1 }, inputs: { a: 1 } })).id, "toy-1");
    });

    it("aborts what runs on Cancel", async () => {
        const rejected = assert.rejects(harness.create(type, { mode: "hang" }), /the operation was cancelled/);
        while (toy.created.length === 0) {
            await new Promise((resolve) => setImmediate(resolve));
        }
        await harness.cancel();
        await rejected;
        assert.ok(toy.aborted);
    });

    it("aborts when the user's timeout has passed", async () => {
        await assert.rejects(harness.create(type, { mode: "hang" }, { timeout: 0.05 }), /not done within 50ms/);
    });

    it("names a resource that does not exist", async () => {
        await assert.rejects(harness.check("toy:index:Other", {}), /toy 1\.2\.3 has no resource toy:index:Other/);
    });
});
