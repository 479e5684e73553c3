// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { daemonWorkloadId, Duration, messageOf, RiptidesError, Secret } from "../../api";
import {
    Computed,
    computed,
    diffProperties,
    hasComputed,
    isMap,
    PartialFailure,
    type CheckRequest,
    type CheckResult,
    type Context,
    type CreateRequest,
    type CreateResult,
    type DeleteRequest,
    type DiffRequest,
    type DiffResult,
    type Outputs,
    type PropertyMap,
    type ReadRequest,
    type ReadResult,
    type Resource,
    type UpdateRequest,
} from "../protocol";
import { TableResource } from "../table";
import { openBundle, type Bundle } from "./bundle";
import { readInputs, type Inputs } from "./inputs";
import { conditionOf, Installation, type Identity, type Installed } from "./installation";
import { inspect, type NodeState } from "./node-state";
import { findings, refuse } from "./preflight";
import { removeInstallation } from "./removal";
import { hostAgentTable, running } from "./schema";
import type { Session } from "./session";
import { checkPrivateKey, connect, type ConnectOptions, type Target } from "./ssh";

/** How sessions and bundles are had; tests give others. */
export interface Surroundings {
    connect(target: Target, options: ConnectOptions): Promise<Session>;
    openBundle(bundleDir?: string, moduleDir?: string): Promise<Bundle>;
}

// A node made by the same program may still be starting; one that was there before is not waited for as long.
const patience = { create: Duration.seconds(90), later: Duration.seconds(15) };

// Changes of these are for the next connection: the node itself has nothing to learn.
const localProperties = [
    "connection.user",
    "connection.privateKey",
    "connection.hostKey",
    "bundleDir",
    "moduleDir",
    "readyTimeout",
];

// Computed by `check`, so that a preview shows what `up` would install or repair. A program does not set them.
const computedInputs = ["bundleSha256", "condition"] as const;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `riptides:node:HostAgent`. Its id is the agent's UUID. */
export class HostAgent implements Resource {
    private readonly object: HostAgentObject;

    constructor(private readonly around: Surroundings = { connect, openBundle }) {
        this.object = new HostAgentObject(around);
    }

    async check(request: CheckRequest, context: Context): Promise<CheckResult> {
        // With ignoreChanges the engine puts the old ones in.
        const news = Object.fromEntries(
            Object.entries(request.news).filter(([key]) => !(computedInputs as readonly string[]).includes(key)),
        );
        const result = this.object.check({ ...request, news }, context);
        if (result.failures?.length) {
            return result;
        }
        const { connection, bundleDir, moduleDir } = result.inputs;
        const key = isMap(connection) ? connection["privateKey"] : undefined;
        if (typeof key === "string") {
            await checkPrivateKey(new Secret(key));
        }
        const bundleSha256 = hasComputed([bundleDir ?? null, moduleDir ?? null])
            ? computed
            : (await this.around.openBundle(optionalText(bundleDir), optionalText(moduleDir))).sha256;
        return { ...result, inputs: { ...result.inputs, bundleSha256, condition: running } };
    }

    diff(request: DiffRequest): DiffResult {
        const result = this.object.diff(request);
        // Whoever lost the agent's key will get a new one, and a half-made agent may have none yet.
        const keeps = request.oldInputs["condition"] === running && typeof request.olds["publicKey"] === "string";
        const stables = (result.stables ?? []).filter((name) => name !== "publicKey" || keeps);
        return { ...result, stables };
    }

    async create(request: CreateRequest, context: Context): Promise<CreateResult> {
        const result = await this.object.create(request, context);
        const { bundleSha256, condition } = request.inputs;
        return context.preview
            ? { ...result, outputs: { ...result.outputs, bundleSha256: bundleSha256!, condition: condition! } }
            : result;
    }

    read(request: ReadRequest, context: Context): Promise<ReadResult | undefined> {
        return this.object.read(request, context);
    }

    update(request: UpdateRequest, context: Context): Promise<Outputs> {
        return context.preview ? this.object.forecast(request) : this.object.update(request, context);
    }

    delete(request: DeleteRequest, context: Context): Promise<void> {
        return this.object.delete(request, context);
    }
}

class HostAgentObject extends TableResource<typeof hostAgentTable> {
    constructor(private readonly around: Surroundings) {
        super(hostAgentTable);
    }

    protected make(inputs: PropertyMap, context: Context) {
        return this.withNode(inputs, context, patience.create, async (session, wanted) => {
            const { state } = wanted;
            const found = state.configuration?.["agentId"];
            const agentId = typeof found === "string" && uuid.test(found) ? found : randomUUID();
            if (agentId === found) {
                context.log("warning", `${session.node} carries the agent ${agentId} already; it is taken over`);
            }
            const identity = { agentId, installation: randomUUID() };
            const outputs = await this.install(session, wanted, identity, true, inputs, context);
            return { id: agentId, outputs };
        });
    }

    protected async change(request: UpdateRequest, context: Context): Promise<PropertyMap> {
        const { id, olds, oldInputs, news } = request;
        const changed = [...diffProperties(oldInputs, news).keys()];
        // Without any change the engine asks because the last run failed.
        if (changed.length > 0 && changed.every((path) => localProperties.includes(path))) {
            return Object.fromEntries(Object.keys(hostAgentTable.outputs).map((name) => [name, olds[name] ?? null]));
        }
        return this.withNode(news, context, patience.later, async (session, wanted) => {
            const found = wanted.state.configuration?.["agentId"];
            if (found !== undefined && found !== id) {
                throw new RiptidesError("NodeUnsuitable", {
                    property: "connection.host",
                    reason: `${session.node} carries another agent, ${String(found)}, and not ${id}`,
                    fix: "Point connection.host at the right node, or replace the resource (`pulumi up --replace <urn>`).",
                });
            }
            const installation = typeof olds["installation"] === "string" ? olds["installation"] : randomUUID();
            const tokenChanged = changed.some((path) => path.startsWith("cluster"));
            return this.install(session, wanted, { agentId: id, installation }, tokenChanged, news, context);
        });
    }

    protected async look({ id, inputs, olds }: ReadRequest, context: Context) {
        if (Object.keys(inputs).length === 0) {
            throw new RiptidesError("InvalidProperty", {
                property: "id",
                reason: "a HostAgent cannot be imported: an id does not say how to reach the node",
                fix: "Write the resource and run `pulumi up`: it takes over an agent that is installed already.",
            });
        }
        return this.withSession(readInputs(inputs).target, context, patience.later, async (session) => {
            const state = await inspect(session);
            const { manifest, configuration } = state;
            const theirs = manifest && olds["installation"] && manifest.installation !== olds["installation"];
            if (!state.present || theirs) {
                return undefined;
            }
            return {
                id,
                inputs: {
                    ...inputs,
                    ...configured(inputs, configuration),
                    bundleSha256: manifest?.bundleSha256 ?? "",
                    condition: conditionOf(state, id),
                },
                outputs: {
                    agentId: id,
                    workloadId: daemonWorkloadId(id),
                    installation: manifest?.installation ?? olds["installation"] ?? "",
                    publicKey: manifest?.publicKey || (olds["publicKey"] ?? ""),
                    hostname: state.hostname,
                    kernelRelease: state.kernelRelease,
                    moduleVersion: state.loaded?.version ?? "",
                    agentVersion: manifest?.agentVersion ?? "",
                },
            };
        });
    }

    protected remove({ olds, oldInputs }: DeleteRequest, context: Context): Promise<void> {
        const { target } = readInputs(oldInputs);
        return this.withSession(target, context, patience.later, async (session) => {
            const state = await inspect(session);
            const now = state.manifest?.installation;
            if (now && olds["installation"] && now !== olds["installation"]) {
                context.log(
                    "warning",
                    `${session.node} has been installed anew by another resource, and is left alone`,
                );
                return;
            }
            await removeInstallation(session, state, context);
        }).catch((error: unknown) => {
            if (error instanceof RiptidesError && error.code === "NodeUnreachable") {
                throw new RiptidesError("NodeUnreachable", {
                    property: error.property,
                    reason: `${error.reason}, so nothing was removed from it`,
                    fix: "Bring the node back and run again. If it is gone for good, drop the resource from the state: `pulumi state delete <urn>` (its keys die with their lease); or set retainOnDelete before.",
                });
            }
            throw error;
        });
    }

    /** The outputs of an update that has not run: what does not depend on the node is known. */
    async forecast({ olds, oldInputs, news }: UpdateRequest): Promise<Outputs> {
        const changed = [...diffProperties(oldInputs, news).keys()];
        const repaired = changed.includes("condition");
        const values: PropertyMap = Object.fromEntries(
            Object.keys(hostAgentTable.outputs).map((name) => [name, olds[name] ?? computed]),
        );
        if (repaired) {
            values["publicKey"] = values["kernelRelease"] = values["moduleVersion"] = computed;
        }
        if (news["bundleSha256"] instanceof Computed) {
            values["agentVersion"] = values["moduleVersion"] = computed;
        } else if (changed.includes("bundleSha256")) {
            const { bundleDir, moduleDir } = news;
            const bundle = await this.around.openBundle(optionalText(bundleDir), optionalText(moduleDir));
            values["agentVersion"] = bundle.agent.version;
            values["moduleVersion"] = bundle.modules.get(String(values["kernelRelease"]))?.version ?? computed;
        }
        return this.outputs(news, { ...values, bundleSha256: news["bundleSha256"]!, condition: running });
    }

    // From the first write on, a failure leaves the resource in the state: the next `up` continues, `destroy` removes.
    private async install(
        session: Session,
        { state, bundle, inputs }: Wanted,
        identity: Identity,
        sealToken: boolean,
        properties: PropertyMap,
        context: Context,
    ): Promise<PropertyMap> {
        const installation = new Installation(session, state, bundle, inputs, identity, context);
        try {
            const installed: Installed = await installation.run(sealToken);
            return { ...installed, condition: running };
        } catch (error) {
            if (!installation.begun) {
                throw error;
            }
            const unfinished = { ...properties, condition: "the installation is incomplete" };
            const known = {
                ...identity,
                workloadId: daemonWorkloadId(identity.agentId),
                hostname: state.hostname,
                kernelRelease: state.kernelRelease,
            };
            throw new PartialFailure(identity.agentId, { ...this.outputs(unfinished, known), inputs: unfinished }, [
                error instanceof Error ? error : new Error(messageOf(error)),
            ]);
        }
    }

    private async withNode<T>(
        properties: PropertyMap,
        context: Context,
        wait: Duration,
        use: (session: Session, wanted: Wanted) => Promise<T>,
    ): Promise<T> {
        const inputs = readInputs(properties);
        const bundle = await this.around.openBundle(inputs.bundleDir, inputs.moduleDir);
        return this.withSession(inputs.target, context, wait, async (session) => {
            context.status("[1/7] checking the node");
            const state = await inspect(session);
            refuse(session.node, findings(state, bundle, inputs.target.user));
            return use(session, { state, bundle, inputs });
        });
    }

    private async withSession<T>(
        target: Target,
        context: Context,
        wait: Duration,
        use: (session: Session) => Promise<T>,
    ): Promise<T> {
        const { signal } = context;
        context.status(`connecting to ${target.host}`);
        const session = await this.around.connect(target, {
            signal,
            patience: wait,
            status: (text) => context.status(text),
        });
        try {
            return await use(session);
        } finally {
            session.close();
        }
    }
}

interface Wanted {
    state: NodeState;
    bundle: Bundle;
    inputs: Inputs;
}

// agent.json as the inputs it came from, so that a change made on the node shows as drift of the very field.
function configured(inputs: PropertyMap, configuration: Record<string, unknown> | undefined): PropertyMap {
    const text = (value: unknown) => (typeof value === "string" ? value : "");
    const theirs = configuration?.["cluster"];
    const cluster = typeof theirs === "object" && theirs !== null ? (theirs as Record<string, unknown>) : {};
    return configuration
        ? {
              trustDomain: text(configuration["trustDomain"]),
              namespace: text(configuration["namespace"]),
              cluster: {
                  ...(inputs["cluster"] as PropertyMap),
                  server: text(cluster["server"]),
                  certificateAuthorityData: text(cluster["certificateAuthorityData"]),
              },
          }
        : {};
}

function optionalText(value: unknown): string | undefined {
    return typeof value === "string" ? value : undefined;
}
