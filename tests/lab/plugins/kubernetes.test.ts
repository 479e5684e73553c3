// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type http from "node:http";
import { configureFor, start } from "./plugin";
import type { Call, JsonMap, Replay } from "./replay";
import { listen, type Listening, text } from "./tape";

const secretMark = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
const secretType = "kubernetes:core/v1:Secret";
const serviceType = "kubernetes:core.riptides.io/v1alpha1:Service";
const token = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "token", namespace: "ns" },
    type: "kubernetes.io/service-account-token",
};
const service = {
    apiVersion: "core.riptides.io/v1alpha1",
    kind: "Service",
    metadata: { name: "s", namespace: "ns" },
    spec: { addresses: [{ address: "a", port: 1 }] },
};
const kinds: Record<string, object> = {
    "GET /api/v1": { resources: [{ name: "secrets", kind: "Secret", namespaced: true }] },
    "GET /apis/core.riptides.io/v1alpha1": { resources: [{ name: "services", kind: "Service", namespaced: true }] },
};

type Answer = (outgoing: http.ServerResponse, body: string) => void;

function call(method: Call["method"], type: string, fields: JsonMap): Pick<Call, "method" | "request"> {
    return { method, request: { ...fields, type, name: "x", urn: `urn:pulumi:dev::rec::${type}::x` } };
}

function json(status: number, value: object): Answer {
    return (outgoing) => {
        outgoing.writeHead(status);
        outgoing.end(JSON.stringify(value));
    };
}

describe("stand-in for the Kubernetes plugin", () => {
    let plugin: Replay;
    let server: Listening;
    let answers: Record<string, Answer>;
    let seen: string[];

    beforeEach(async () => {
        answers = {};
        seen = [];
        plugin = await start("kubernetes");
        server = await listen(async (incoming, outgoing) => {
            const request = `${incoming.method} ${incoming.url}`;
            const body = await text(incoming);
            seen.push(request);
            const answer =
                answers[request] ?? json(kinds[request] ? 200 : 404, kinds[request] ?? { reason: "NotFound" });
            answer(outgoing, body);
        });
        await plugin.send(configureFor("kubernetes", server.address));
    });
    afterEach(async () => {
        await plugin.stop();
        await server.stop();
    });

    const secrets = "/api/v1/namespaces/ns/secrets";
    const watch = (path: string, name: string) => `GET ${path}?watch=true&fieldSelector=metadata.name%3D${name}`;

    it("waits until the token of a service account is there, and keeps it secret", async () => {
        const filled = { ...token, data: { token: "dG9r" } };
        answers[`POST ${secrets}`] = json(201, token);
        answers[watch(secrets, "token")] = (outgoing) => {
            outgoing.write(`${JSON.stringify({ type: "ADDED", object: token })}\n`);
            setImmediate(() => outgoing.write(`${JSON.stringify({ type: "MODIFIED", object: filled })}\n`));
        };
        const answer = await plugin.send(call("Create", secretType, { properties: token }));
        const properties = answer["properties"] as JsonMap;
        assert.deepEqual(properties["data"], { ...secretMark, value: { token: "dG9r" } });
        assert.equal(answer["id"], "ns/token");
    });

    it("keeps an object in the state when it does not become ready in time", async () => {
        answers[`POST ${secrets}`] = json(201, token);
        answers[watch(secrets, "token")] = (outgoing) => outgoing.flushHeaders();
        await assert.rejects(
            plugin.send(call("Create", secretType, { properties: token, timeout: 0.2 })),
            (error: Error & { metadata: { get(key: string): unknown[] } }) => {
                assert.match(error.message, /waiting for the token of the service account/);
                assert.equal(error.metadata.get("grpc-status-details-bin").length, 1);
                return true;
            },
        );
    });

    it("tells how to manage an object that exists already", async () => {
        const status = { reason: "AlreadyExists", message: 'secrets "token" already exists' };
        answers[`POST ${secrets}`] = json(409, status);
        await assert.rejects(
            plugin.send(call("Create", secretType, { properties: token })),
            /secrets "token" already exists.*import: "ns\/token".*alias/,
        );
    });

    it("previews without the cluster what holds an unknown value", async () => {
        const properties = { ...service, spec: { port: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" } };
        const answer = await plugin.send(call("Create", serviceType, { properties, preview: true }));
        assert.deepEqual(answer["properties"], properties);
        assert.deepEqual(seen, []);
    });

    it("promises no status in a preview", async () => {
        const services = "/apis/core.riptides.io/v1alpha1/namespaces/ns/services";
        answers[`POST ${services}?dryRun=All`] = json(201, { ...service, status: { state: "OK" } });
        const answer = await plugin.send(call("Create", serviceType, { properties: service, preview: true }));
        assert.equal("status" in (answer["properties"] as JsonMap), false);
    });

    it("keeps a secret field of a custom resource secret in the outputs and in their copy of the inputs", async () => {
        const services = "/apis/core.riptides.io/v1alpha1/namespaces/ns/services";
        const hidden = { ...service, spec: { pin: { ...secretMark, value: "CANARY-1" } } };
        answers[`POST ${services}`] = (outgoing, body) => json(201, JSON.parse(body) as object)(outgoing, body);
        const checked = await plugin.send(call("Check", serviceType, { news: hidden, randomSeed: "" }));
        const made = await plugin.send(call("Create", serviceType, { properties: checked["inputs"]! }));
        const marks = JSON.stringify(made).match(/"1b47061264138c4ac30d75fd1eb44270","value":"CANARY-1"/g);
        assert.equal(marks?.length, 2);
        assert.equal(JSON.stringify(made).match(/CANARY-1/g)?.length, 2);
    });

    it("reads an object that is gone as gone, and deletes it without an error", async () => {
        const state = { ...service, __inputs: service };
        const read = await plugin.send(call("Read", serviceType, { id: "ns/s", inputs: service, properties: state }));
        assert.deepEqual(read, {});
        await plugin.send(call("Delete", serviceType, { id: "ns/s", properties: state, oldInputs: service }));
    });

    it("replaces before it creates where the name is the program's own", async () => {
        const { metadata, ...rest } = token;
        const olds = { ...rest, metadata, data: { a: "YQ==" }, __inputs: { ...token, data: { a: "YQ==" } } };
        const news = { ...token, data: { a: "Yg==" } };
        const answer = await plugin.send(call("Diff", secretType, { id: "ns/token", olds, oldInputs: token, news }));
        assert.deepEqual(answer["detailedDiff"], { "data.a": { kind: "UPDATE_REPLACE" } });
        assert.equal(answer["deleteBeforeReplace"], true);
    });

    it("shows drift of the live object and removed list items", async () => {
        const two = {
            ...service,
            spec: {
                addresses: [
                    { address: "a", port: 1 },
                    { address: "b", port: 2 },
                ],
            },
        };
        const olds = { ...two, __inputs: two };
        const news = { ...service, spec: { addresses: [{ address: "z", port: 1 }] } };
        const answer = await plugin.send(call("Diff", serviceType, { id: "ns/s", olds, oldInputs: two, news }));
        assert.deepEqual(answer["detailedDiff"], {
            "spec.addresses[0].address": { kind: "UPDATE" },
            "spec.addresses[1]": { kind: "DELETE", inputDiff: true },
        });
    });

    it("refuses a type it does not have and names the way out", async () => {
        await assert.rejects(
            plugin.send(call("Check", "kubernetes:batch/v1:Job", { news: {}, randomSeed: "" })),
            /install the official plugin/,
        );
    });
});
