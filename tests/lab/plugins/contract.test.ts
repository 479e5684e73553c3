// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { configureFor, type Name, offline, online, start } from "./plugin";
import { type Call, type JsonMap, recorded, type Replay } from "./replay";
import { type Listening, play } from "./tape";

// What differs from run to run: server-made ids and times, random ends of names, ports.
const volatile: [RegExp, string][] = [
    [/"(uid|resourceVersion|accessor|creationTimestamp|time|lastTransitionTime)":"(?!04da6b54)[^"]*"/g, '"$1":"…"'],
    [/\bcm-[0-9a-f]{8}\b/g, "cm-…"],
    [/pulumi-kubernetes-[0-9a-f]{8}/g, "pulumi-kubernetes-…"],
];

function steady(answer: JsonMap, call: Call): JsonMap {
    const text = volatile.reduce((json, [pattern, mark]) => json.replace(pattern, mark), JSON.stringify(answer));
    const map = JSON.parse(text) as JsonMap;
    // The SDK's server names roots in `replaces` and adds their like as `diffs`; detailedDiff holds the paths.
    delete map["diffs"];
    delete map["replaces"];
    const properties = map["properties"] as JsonMap | undefined;
    const metadata = properties?.["metadata"] as JsonMap | undefined;
    if (Array.isArray(metadata?.["managedFields"])) {
        // Controllers write their status whenever they come to it.
        const entries = metadata["managedFields"].filter((entry) => (entry as JsonMap)["subresource"] !== "status");
        metadata["managedFields"] = entries;
    }
    if (call.method === "Create" && /CustomResourceDefinition|DaemonSet/.test(call.request.type)) {
        // We wait for Established, the official plugin reads before it.
        delete properties?.["status"];
    }
    return map;
}

function title({ step, method, request }: Call): string {
    return `${step}: ${method} ${request.type} ${request.name}`;
}

for (const name of ["vault", "kubernetes"] as Name[]) {
    describe(`stand-in for the ${name} plugin, against the official one's recorded answers`, () => {
        let plugin: Replay;
        let server: Listening;

        before(async () => {
            plugin = await start(name);
            server = await play(name);
            await plugin.send(configureFor(name, server.address));
        });
        after(async () => {
            await plugin.stop();
            await server.stop();
        });

        for (const call of recorded(name)) {
            if (call.method === "DiffConfig") {
                it(title(call), async () => {
                    const answer = await plugin.send(call);
                    assert.equal(answer["changes"] ?? "DIFF_NONE", "DIFF_NONE");
                });
            } else if ([...offline, ...online].includes(call.method)) {
                it(title(call), async () => {
                    const answer = await plugin.send(call);
                    assert.deepEqual(steady(answer, call), steady(call.response, call));
                });
            }
        }
    });
}
