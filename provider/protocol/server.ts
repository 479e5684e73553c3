// SPDX-License-Identifier: Apache-2.0
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as wire from "@pulumi/pulumi/proto/provider_pb";
import { Duration, RiptidesError } from "../../api";
import { diffProperties, type Changes } from "./diff";
import { Engine } from "./engine";
import { serviceError } from "./failure";
import { pathSteps } from "./path";
import { Redaction } from "./redaction";
import type { CheckResult, Context, Outputs, Provider, Resource } from "./resource";
import { decode, encode, type Properties } from "./value";

/** A provider that listens. */
export interface Listening {
    port: number;
    stop(): Promise<void>;
}

interface Call<Request> {
    request: Request;
    on(event: "cancelled", listener: () => void): unknown;
}

/**
 * Serves a provider on a free port of 127.0.0.1.
 * @param engineAddress where to send log lines; Handshake and Attach may change it.
 */
export async function serve(provider: Provider, engineAddress?: string): Promise<Listening> {
    const server = new grpc.Server({
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
    });
    const session = new Session(provider, new Engine(engineAddress));
    server.addService(ResourceProviderService, session.handlers());
    const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
            error ? reject(error) : resolve(bound),
        );
    });
    return {
        port,
        stop: async () => {
            session.cancel();
            await new Promise<void>((resolve, reject) =>
                server.tryShutdown((error) => (error ? reject(error) : resolve())),
            );
            session.engine.close();
        },
    };
}

/** One engine talking to one provider. */
class Session {
    readonly #cancel = new AbortController();
    readonly #redaction = new Redaction();
    #refreshBeforeUpdate = false;

    constructor(
        private readonly provider: Provider,
        readonly engine: Engine,
    ) {}

    cancel(): void {
        this.#cancel.abort(new Error("the operation was cancelled"));
    }

    handlers(): grpc.UntypedServiceImplementation {
        return {
            handshake: this.#unary((request: wire.ProviderHandshakeRequest) => {
                this.engine.attach(request.getEngineAddress());
                this.#refreshBeforeUpdate = request.getSupportsRefreshBeforeUpdate();
                const response = new wire.ProviderHandshakeResponse();
                response.setAcceptSecrets(true);
                return response;
            }),
            attach: this.#unary((request: plugin.PluginAttach) => {
                this.engine.attach(request.getAddress());
                return new Empty();
            }),
            getPluginInfo: this.#unary(() => {
                const info = new plugin.PluginInfo();
                info.setVersion(this.provider.version);
                return info;
            }),
            cancel: this.#unary(() => {
                this.cancel();
                return new Empty();
            }),
            getSchema: this.#unary(async () => {
                const response = new wire.GetSchemaResponse();
                response.setSchema(await this.provider.schema());
                return response;
            }),
            checkConfig: this.#unary((request: wire.CheckRequest) => this.#checkConfig(request)),
            diffConfig: this.#unary((request: wire.DiffRequest) => this.#diffConfig(request)),
            configure: this.#unary(async (request: wire.ConfigureRequest) => {
                await this.provider.configure?.(this.#decode(request.getArgs()).values);
                const response = new wire.ConfigureResponse();
                response.setAcceptsecrets(true);
                response.setSupportspreview(true);
                return response;
            }),
            check: this.#resource((resource, request: wire.CheckRequest, context) =>
                this.#check(resource, request, context),
            ),
            diff: this.#resource((resource, request: wire.DiffRequest, context) =>
                this.#diff(resource, request, context),
            ),
            create: this.#resource((resource, request: wire.CreateRequest, context) =>
                this.#create(resource, request, context),
            ),
            read: this.#resource((resource, request: wire.ReadRequest, context) =>
                this.#read(resource, request, context),
            ),
            update: this.#resource((resource, request: wire.UpdateRequest, context) =>
                this.#update(resource, request, context),
            ),
            delete: this.#resource(async (resource, request: wire.DeleteRequest, context) => {
                const olds = this.#decode(request.getProperties()).values;
                const oldInputs = this.#oldInputs(request.getOldInputs(), olds);
                await resource.delete({ id: request.getId(), olds, oldInputs }, context);
                return new Empty();
            }),
        };
    }

    async #checkConfig(request: wire.CheckRequest): Promise<wire.CheckResponse> {
        const news = this.#decode(request.getNews());
        const olds = request.hasOlds() ? this.#decode(request.getOlds()).values : undefined;
        return this.#checked(news, () =>
            this.provider.checkConfig
                ? this.provider.checkConfig({
                      olds,
                      news: news.values,
                      secrets: news.secrets,
                      randomSeed: request.getRandomseed_asU8(),
                  })
                : { inputs: news.values },
        );
    }

    #diffConfig(request: wire.DiffRequest): wire.DiffResponse {
        const olds = this.#decode(request.getOlds()).values;
        const replaced = new Set(this.provider.replaceOnConfig);
        const changes = diffProperties(
            this.#oldInputs(request.getOldInputs(), olds),
            this.#decode(request.getNews()).values,
            {
                ignore: request.getIgnorechangesList(),
                replaces: (path) => replaced.has(String(pathSteps(path)[0])),
            },
        );
        return diffResponse(changes);
    }

    async #check(resource: Resource, request: wire.CheckRequest, context: Context): Promise<wire.CheckResponse> {
        const news = this.#decode(request.getNews());
        const olds = request.hasOlds() ? this.#decode(request.getOlds()).values : undefined;
        return this.#checked(news, () =>
            resource.check(
                { olds, news: news.values, secrets: news.secrets, randomSeed: request.getRandomseed_asU8() },
                context,
            ),
        );
    }

    async #checked(news: Properties, check: () => Promise<CheckResult> | CheckResult): Promise<wire.CheckResponse> {
        const response = new wire.CheckResponse();
        let result: CheckResult;
        try {
            result = await check();
        } catch (error) {
            if (!(error instanceof RiptidesError) || error.property === undefined) {
                throw error;
            }
            const reason = `${error.reason}. ${error.fix} [${error.code}]`;
            result = { inputs: news.values, failures: [{ property: error.property, reason }] };
        }
        const secrets = union(news.secrets, result.secrets);
        this.#redaction.learn({ values: news.values, secrets });
        response.setInputs(encode({ values: result.inputs, secrets }));
        response.setFailuresList(
            (result.failures ?? []).map(({ property, reason }) => {
                const failure = new wire.CheckFailure();
                failure.setProperty(property);
                failure.setReason(this.#redaction.clean(reason));
                return failure;
            }),
        );
        return response;
    }

    async #diff(resource: Resource, request: wire.DiffRequest, context: Context): Promise<wire.DiffResponse> {
        const olds = this.#decode(request.getOlds()).values;
        const result = await resource.diff(
            {
                id: request.getId(),
                olds,
                oldInputs: this.#oldInputs(request.getOldInputs(), olds),
                news: this.#decode(request.getNews()).values,
                ignoreChanges: request.getIgnorechangesList(),
            },
            context,
        );
        const response = diffResponse(result.changes);
        response.setStablesList([...(result.stables ?? [])]);
        response.setDeletebeforereplace(result.deleteBeforeReplace ?? false);
        return response;
    }

    async #create(resource: Resource, request: wire.CreateRequest, context: Context): Promise<wire.CreateResponse> {
        const inputs = this.#decode(request.getProperties());
        return this.#initialized(inputs.secrets, async () => {
            const result = await resource.create({ inputs: inputs.values }, context);
            const response = new wire.CreateResponse();
            response.setId(result.id ?? "");
            response.setProperties(outputs(result, inputs.secrets));
            response.setRefreshBeforeUpdate(this.#refresh(result));
            return response;
        });
    }

    async #read(resource: Resource, request: wire.ReadRequest, context: Context): Promise<wire.ReadResponse> {
        const olds = this.#decode(request.getProperties());
        const inputs = this.#decode(request.getInputs());
        const secrets = union(olds.secrets, inputs.secrets);
        return this.#initialized(secrets, async () => {
            const result = await resource.read(
                { id: request.getId(), olds: olds.values, inputs: inputs.values },
                context,
            );
            const response = new wire.ReadResponse();
            if (result) {
                response.setId(result.id);
                response.setProperties(outputs(result, secrets));
                response.setInputs(encode({ values: result.inputs, secrets: union(secrets, result.secrets) }));
                response.setRefreshBeforeUpdate(this.#refresh(result));
            }
            return response;
        });
    }

    async #update(resource: Resource, request: wire.UpdateRequest, context: Context): Promise<wire.UpdateResponse> {
        const olds = this.#decode(request.getOlds()).values;
        const news = this.#decode(request.getNews());
        return this.#initialized(news.secrets, async () => {
            const result = await resource.update(
                {
                    id: request.getId(),
                    olds,
                    oldInputs: this.#oldInputs(request.getOldInputs(), olds),
                    news: news.values,
                    ignoreChanges: request.getIgnorechangesList(),
                },
                context,
            );
            const response = new wire.UpdateResponse();
            response.setProperties(outputs(result, news.secrets));
            response.setRefreshBeforeUpdate(this.#refresh(result));
            return response;
        });
    }

    // A partial failure needs the secret paths of its request: they are known here and nowhere above.
    async #initialized<Response>(secrets: ReadonlySet<string>, run: () => Promise<Response>): Promise<Response> {
        try {
            return await run();
        } catch (error) {
            throw serviceError(error, this.#redaction, secrets);
        }
    }

    #refresh(result: Outputs): boolean {
        return this.#refreshBeforeUpdate && (result.refreshBeforeUpdate ?? false);
    }

    #decode(struct: Struct | undefined): Properties {
        const properties = decode(struct);
        this.#redaction.learn(properties);
        return properties;
    }

    #oldInputs(struct: Struct | undefined, olds: Properties["values"]): Properties["values"] {
        return struct ? this.#decode(struct).values : olds;
    }

    #unary<Request, Response>(run: (request: Request, call: Call<Request>) => Promise<Response> | Response) {
        return (call: Call<Request>, callback: grpc.sendUnaryData<Response>): void => {
            Promise.resolve()
                .then(() => run(call.request, call))
                .then(
                    async (response) => {
                        await this.engine.flush();
                        callback(null, response);
                    },
                    async (error: unknown) => {
                        await this.engine.flush();
                        callback(serviceError(error, this.#redaction));
                    },
                );
        };
    }

    #resource<Request extends ResourceRequest, Response>(
        run: (resource: Resource, request: Request, context: Context) => Promise<Response>,
    ) {
        return this.#unary(async (request: Request, call: Call<Request>): Promise<Response> => {
            const type = request.getType() || typeOf(request.getUrn());
            const resource = await this.provider.resource(type);
            if (!resource) {
                throw new RiptidesError("InvalidProperty", {
                    reason: `the provider ${this.provider.name} ${this.provider.version} has no resource ${type}`,
                    fix: "Use the package and the plugin in the same version.",
                });
            }
            return run(resource, request, this.#context(request, type, call));
        });
    }

    #context(request: ResourceRequest, type: string, call: Call<unknown>): Context {
        const urn = request.getUrn();
        const hangUp = new AbortController();
        call.on("cancelled", () => hangUp.abort(new Error("the engine hung up")));
        const cancelled = AbortSignal.any([this.#cancel.signal, hangUp.signal]);
        const seconds = request.getTimeout?.() ?? 0;
        const timeout = seconds > 0 ? Duration.seconds(seconds) : undefined;
        return {
            urn,
            type,
            name: request.getName() || urn.slice(urn.lastIndexOf("::") + 2),
            preview: request.getPreview?.() ?? false,
            timeout,
            cancelled,
            signal: timeout ? AbortSignal.any([cancelled, deadline(timeout)]) : cancelled,
            log: (severity, message) => this.engine.log(severity, this.#redaction.clean(message), urn, false),
            status: (message) => this.engine.log("info", this.#redaction.clean(message), urn, true),
        };
    }
}

interface ResourceRequest {
    getUrn(): string;
    getName(): string;
    getType(): string;
    getTimeout?(): number;
    getPreview?(): boolean;
}

// The reason is what a request that was running then fails with, so it says what to do.
function deadline(timeout: Duration): AbortSignal {
    const controller = new AbortController();
    const reason = new Error(`not done within ${timeout}. Raise customTimeouts or mend what is slow.`);
    setTimeout(() => controller.abort(reason), timeout.milliseconds).unref();
    return controller.signal;
}

// urn:pulumi:stack::project::parent$type::name
function typeOf(urn: string): string {
    const chain = urn.split("::")[2] ?? "";
    return chain.slice(chain.lastIndexOf("$") + 1);
}

function outputs(result: Outputs, secrets: ReadonlySet<string>): Struct {
    return encode({ values: result.outputs, secrets: union(secrets, result.secrets) });
}

function union(secrets: ReadonlySet<string>, more: Iterable<string> = []): ReadonlySet<string> {
    return new Set([...secrets, ...more]);
}

function diffResponse(changes: Changes): wire.DiffResponse {
    const { Kind } = wire.PropertyDiff;
    const kinds = {
        add: [Kind.ADD, Kind.ADD_REPLACE],
        delete: [Kind.DELETE, Kind.DELETE_REPLACE],
        update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
    } as const;
    const response = new wire.DiffResponse();
    const replaces = new Set<string>();
    const diffs = new Set<string>();
    for (const [path, change] of changes) {
        const property = new wire.PropertyDiff();
        property.setKind(kinds[change.kind][change.replace ? 1 : 0]);
        property.setInputdiff(change.input);
        response.getDetaileddiffMap().set(path, property);
        const root = String(pathSteps(path)[0]);
        diffs.add(root);
        if (change.replace) {
            replaces.add(root);
        }
    }
    const { DiffChanges } = wire.DiffResponse;
    response.setChanges(changes.size > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE);
    response.setHasdetaileddiff(true);
    response.setDiffsList([...diffs]);
    response.setReplacesList([...replaces]);
    return response;
}
