// SPDX-License-Identifier: Apache-2.0
import * as grpc from "@grpc/grpc-js";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as wire from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { serve, type Provider } from "../../provider/protocol";

/** A property map as it travels, wire marks and all. */
export type Wire = Record<string, unknown>;

export const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function secretMark(value: unknown): Wire {
    return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value };
}

export interface LogLine {
    message: string;
    urn: string;
    ephemeral: boolean;
}

/** The initialization failure in the details of a gRPC error. */
export function initializationFailure(error: unknown): { id: string; properties: Wire; reasons: string[] } {
    const [bytes] = (error as grpc.ServiceError).metadata.get("grpc-status-details-bin");
    const [packed] = Status.deserializeBinary(bytes as Buffer).getDetailsList();
    const detail = wire.ErrorResourceInitFailed.deserializeBinary(packed!.getValue_asU8());
    return {
        id: detail.getId(),
        properties: detail.getProperties()!.toJavaScript() as Wire,
        reasons: detail.getReasonsList(),
    };
}

/** Talks to a provider as the engine does, over gRPC in one process. */
export class Harness {
    lines: readonly LogLine[] = [];
    #stop: (() => Promise<void>)[] = [];

    private constructor(private readonly client: ResourceProviderClient) {}

    static async start(provider: Provider): Promise<Harness> {
        const engine = new grpc.Server();
        const lines: LogLine[] = [];
        engine.addService(EngineService, {
            log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
                const request = call.request;
                lines.push({
                    message: request.getMessage(),
                    urn: request.getUrn(),
                    ephemeral: request.getEphemeral(),
                });
                callback(null, new Empty());
            },
            getRootResource: unimplemented,
            setRootResource: unimplemented,
            startDebugging: unimplemented,
            requirePulumiVersion: unimplemented,
        });
        const enginePort = await new Promise<number>((resolve, reject) =>
            engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
                error ? reject(error) : resolve(port),
            ),
        );
        const { port, stop } = await serve(provider, `127.0.0.1:${enginePort}`);
        const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
        const harness = new Harness(client);
        harness.lines = lines;
        harness.#stop = [async () => client.close(), stop, async () => engine.forceShutdown()];
        return harness;
    }

    async stop(): Promise<void> {
        for (const stop of this.#stop) {
            await stop();
        }
    }

    async handshake(): Promise<wire.ProviderHandshakeResponse.AsObject> {
        const request = new wire.ProviderHandshakeRequest();
        request.setSupportsRefreshBeforeUpdate(true);
        return (await this.#call<wire.ProviderHandshakeResponse>("handshake", request)).toObject();
    }

    async cancel(): Promise<void> {
        await this.#call("cancel", new Empty());
    }

    async schema(): Promise<Record<string, unknown>> {
        const response = await this.#call<wire.GetSchemaResponse>("getSchema", new wire.GetSchemaRequest());
        return JSON.parse(response.getSchema()) as Record<string, unknown>;
    }

    async checkConfig(news: Wire): Promise<{ inputs: Wire; failures: wire.CheckFailure.AsObject[] }> {
        return this.#checked("checkConfig", "pulumi:providers:riptides", news, undefined);
    }

    async configure(args: Wire): Promise<wire.ConfigureResponse.AsObject> {
        const request = new wire.ConfigureRequest();
        request.setArgs(struct(args));
        return (await this.#call<wire.ConfigureResponse>("configure", request)).toObject();
    }

    async check(
        type: string,
        news: Wire,
        olds?: Wire,
    ): Promise<{ inputs: Wire; failures: wire.CheckFailure.AsObject[] }> {
        return this.#checked("check", type, news, olds);
    }

    async diff(
        type: string,
        {
            id = "id",
            olds,
            oldInputs,
            news,
            ignore = [],
        }: { id?: string; olds: Wire; oldInputs?: Wire; news: Wire; ignore?: string[] },
    ): Promise<{ changes: number; detailed: Record<string, wire.PropertyDiff.AsObject>; replaces: string[] }> {
        const request = new wire.DiffRequest();
        request.setId(id);
        request.setUrn(urn(type));
        request.setOlds(struct(olds));
        request.setOldInputs(struct(oldInputs ?? olds));
        request.setNews(struct(news));
        request.setIgnorechangesList(ignore);
        const response = await this.#call<wire.DiffResponse>("diff", request);
        return {
            changes: response.getChanges(),
            detailed: Object.fromEntries(
                response.getDetaileddiffMap().toObject(false, wire.PropertyDiff.toObject),
            ) as Record<string, wire.PropertyDiff.AsObject>,
            replaces: response.getReplacesList(),
        };
    }

    async create(
        type: string,
        inputs: Wire,
        { preview = false, timeout = 0 }: { preview?: boolean; timeout?: number } = {},
    ): Promise<{ id: string; properties: Wire }> {
        const request = new wire.CreateRequest();
        request.setUrn(urn(type));
        request.setProperties(struct(inputs));
        request.setPreview(preview);
        request.setTimeout(timeout);
        const response = await this.#call<wire.CreateResponse>("create", request);
        return { id: response.getId(), properties: response.getProperties()!.toJavaScript() as Wire };
    }

    async read(
        type: string,
        id: string,
        { olds = {}, inputs = {} }: { olds?: Wire; inputs?: Wire } = {},
    ): Promise<{ id: string; properties: Wire; inputs: Wire }> {
        const request = new wire.ReadRequest();
        request.setId(id);
        request.setUrn(urn(type));
        request.setProperties(struct(olds));
        request.setInputs(struct(inputs));
        const response = await this.#call<wire.ReadResponse>("read", request);
        return {
            id: response.getId(),
            properties: (response.getProperties()?.toJavaScript() ?? {}) as Wire,
            inputs: (response.getInputs()?.toJavaScript() ?? {}) as Wire,
        };
    }

    async update(
        type: string,
        {
            id,
            olds,
            oldInputs,
            news,
            preview = false,
            timeout = 0,
        }: { id: string; olds: Wire; oldInputs?: Wire; news: Wire; preview?: boolean; timeout?: number },
    ): Promise<Wire> {
        const request = new wire.UpdateRequest();
        request.setId(id);
        request.setUrn(urn(type));
        request.setOlds(struct(olds));
        request.setOldInputs(struct(oldInputs ?? olds));
        request.setNews(struct(news));
        request.setPreview(preview);
        request.setTimeout(timeout);
        const response = await this.#call<wire.UpdateResponse>("update", request);
        return response.getProperties()!.toJavaScript() as Wire;
    }

    async delete(type: string, id: string, olds: Wire, oldInputs: Wire = olds): Promise<void> {
        const request = new wire.DeleteRequest();
        request.setId(id);
        request.setUrn(urn(type));
        request.setProperties(struct(olds));
        request.setOldInputs(struct(oldInputs));
        await this.#call("delete", request);
    }

    async #checked(method: "check" | "checkConfig", type: string, news: Wire, olds: Wire | undefined) {
        const request = new wire.CheckRequest();
        request.setUrn(urn(type));
        request.setNews(struct(news));
        if (olds) {
            request.setOlds(struct(olds));
        }
        request.setRandomseed(new Uint8Array(32).fill(7));
        const response = await this.#call<wire.CheckResponse>(method, request);
        return {
            inputs: response.getInputs()!.toJavaScript() as Wire,
            failures: response.toObject().failuresList,
        };
    }

    #call<Response>(method: string, request: unknown): Promise<Response> {
        return new Promise((resolve, reject) => {
            const client = this.client as unknown as Record<
                string,
                (request: unknown, callback: (error: grpc.ServiceError | null, response: Response) => void) => void
            >;
            client[method]!.call(client, request, (error, response) => (error ? reject(error) : resolve(response)));
        });
    }
}

function unimplemented(_call: unknown, callback: grpc.sendUnaryData<never>): void {
    callback({ code: grpc.status.UNIMPLEMENTED });
}

function struct(map: Wire): Struct {
    return Struct.fromJavaScript(map as { [key: string]: never });
}

export function urn(type: string): string {
    return `urn:pulumi:dev::project::${type}::name`;
}
