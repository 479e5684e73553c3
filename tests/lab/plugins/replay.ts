// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as wire from "@pulumi/pulumi/proto/provider_pb";
import { type Provider, serve } from "../../../provider/protocol";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonMap = { [key: string]: Json };

/** One recorded call of the engine and the official plugin's answer, both as proto3 JSON. */
export interface Call {
    /** What was run: the name of the recording in the reference. */
    step: string;
    method: "CheckConfig" | "DiffConfig" | "Configure" | "Check" | "Diff" | "Create" | "Read" | "Update" | "Delete";
    request: JsonMap & { type: string; name: string; urn: string };
    response: JsonMap;
}

/** The calls of a recording, in order. */
export function recorded(name: "vault" | "kubernetes"): Call[] {
    const lines = readFileSync(join(__dirname, "recorded", `${name}.jsonl`), "utf8").trimEnd();
    return lines.split("\n").map((line) => JSON.parse(line) as Call);
}

const requests = {
    CheckConfig: wire.CheckRequest,
    DiffConfig: wire.DiffRequest,
    Configure: wire.ConfigureRequest,
    Check: wire.CheckRequest,
    Diff: wire.DiffRequest,
    Create: wire.CreateRequest,
    Read: wire.ReadRequest,
    Update: wire.UpdateRequest,
    Delete: wire.DeleteRequest,
} as const;

const structs = new Set(["news", "olds", "oldInputs", "properties", "inputs", "args"]);

interface Message {
    [setter: string]: (value: unknown) => void;
}

/** A plugin served in this process and called as the engine calls it, with recorded requests. */
export class Replay {
    private constructor(
        private readonly client: ResourceProviderClient,
        readonly stop: () => Promise<void>,
    ) {}

    static async start(provider: Provider): Promise<Replay> {
        const { port, stop } = await serve(provider);
        const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
        return new Replay(client, async () => {
            client.close();
            await stop();
        });
    }

    /** Sends a recorded request; resolves with the answer as proto3 JSON. */
    async send({ method, request }: Pick<Call, "method" | "request">): Promise<JsonMap> {
        const message = new requests[method]();
        for (const [key, value] of Object.entries(request)) {
            // The generated setters write every letter but the first of a field as its proto name has it.
            const field = key === "randomSeed" ? "randomseed" : key;
            (message as unknown as Message)[`set${field[0]!.toUpperCase()}${field.slice(1)}`]!(
                structs.has(key) ? Struct.fromJavaScript(value as never) : value,
            );
        }
        const name = method[0]!.toLowerCase() + method.slice(1);
        const response = await new Promise<unknown>((resolve, reject) => {
            const client = this.client as unknown as Record<
                string,
                (request: unknown, done: (error: grpc.ServiceError | null, response: unknown) => void) => void
            >;
            client[name]!.call(this.client, message, (error, answer) => (error ? reject(error) : resolve(answer)));
        });
        return answers[method]?.(response as never) ?? {};
    }
}

const answers: { [method in Call["method"]]?: (response: never) => JsonMap } = {
    CheckConfig: checked,
    Check: checked,
    DiffConfig: diffed,
    Diff: diffed,
    Create: (response: wire.CreateResponse) =>
        compact({ id: response.getId(), properties: plain(response.getProperties()) }),
    Read: (response: wire.ReadResponse) =>
        compact({
            id: response.getId(),
            properties: plain(response.getProperties()),
            inputs: plain(response.getInputs()),
        }),
    Update: (response: wire.UpdateResponse) => compact({ properties: plain(response.getProperties()) }),
};

function checked(response: wire.CheckResponse): JsonMap {
    return compact({
        inputs: plain(response.getInputs()),
        failures: response.getFailuresList().map((failure) => failure.toObject() as JsonMap),
    });
}

function diffed(response: wire.DiffResponse): JsonMap {
    const detailedDiff: JsonMap = {};
    response.getDetaileddiffMap().forEach((property, path) => {
        detailedDiff[path] = compact({
            kind: Object.keys(wire.PropertyDiff.Kind)[property.getKind()]!,
            inputDiff: property.getInputdiff(),
        });
    });
    return compact({
        changes: Object.keys(wire.DiffResponse.DiffChanges)[response.getChanges()]!,
        detailedDiff,
        hasDetailedDiff: response.getHasdetaileddiff(),
        replaces: response.getReplacesList(),
        stables: response.getStablesList(),
        deleteBeforeReplace: response.getDeletebeforereplace(),
    });
}

function plain(struct: Struct | undefined): Json {
    return (struct?.toJavaScript() ?? null) as Json;
}

/** Leaves out what proto3 JSON leaves out. */
function compact(map: JsonMap): JsonMap {
    const isEmpty = (value: Json) =>
        value === null ||
        value === "" ||
        value === false ||
        (typeof value === "object" && Object.keys(value).length === 0);
    return Object.fromEntries(Object.entries(map).filter(([, value]) => !isEmpty(value)));
}
