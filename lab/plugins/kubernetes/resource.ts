// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
    type CheckFailure,
    type CheckRequest,
    type CheckResult,
    type Context,
    type CreateRequest,
    type CreateResult,
    type DeleteRequest,
    type DiffRequest,
    type DiffResult,
    hasComputed,
    type Outputs,
    PartialFailure,
    pathCovers,
    type PropertyMap,
    type ReadRequest,
    type ReadResult,
    type Resource,
    type UpdateRequest,
    type Value,
} from "../../../provider/protocol";
import { type Cluster, ClusterError, NoMatchError } from "./cluster";
import { compare } from "./diff";
import { type Kind, replaces } from "./kinds";
import { hasCreator, takeOver } from "./managed-fields";
import {
    annotationsOf,
    type Checkpoint,
    fromCheckpoint,
    idOf,
    isKnown,
    type KubernetesObject,
    metadataOf,
    nameOf,
    namespaceOf,
    normalize,
    prune,
    secretPaths,
    toCheckpoint,
    toCluster,
    withoutNulls,
} from "./object";
import { conditionOf, deleted, untilReady, WaitError } from "./wait";

const autonamed = "pulumi.com/autonamed";
const createAttempts = 5;
const firstPauseMs = 1000;

/** What a resource needs of its provider. */
export interface Environment {
    cluster(): Cluster;
    /** False in a preview in which the cluster itself is still to be made. */
    isClusterKnown(): boolean;
    /** Namespace of objects that name none; undefined for the cluster's own. */
    defaultNamespace?: Value;
    /** Secret paths of the inputs that Check saw last, by URN. */
    secretInputs: Map<string, ReadonlySet<string>>;
}

/** A Kubernetes object as a resource: checked and compared without the cluster, written by server-side apply. */
export class KubernetesResource implements Resource {
    constructor(
        private readonly kind: Kind,
        private readonly environment: Environment,
    ) {}

    check({ news, olds, secrets, randomSeed }: CheckRequest, context: Context): CheckResult {
        const inputs = normalize(toCluster(news));
        const failures: CheckFailure[] = [];
        for (const property of ["apiVersion", "kind"] as const) {
            const given = inputs[property] ?? this.kind[property];
            if (given !== this.kind[property]) {
                failures.push({ property, reason: `${context.type} has ${property} "${this.kind[property]}"` });
            }
            inputs[property] = given;
        }
        const metadata: PropertyMap = { ...metadataOf(inputs) };
        if (metadata["name"] === undefined && metadata["generateName"] === undefined) {
            const suffix = createHash("sha256").update(randomSeed).digest("hex").slice(0, 8);
            const adopted = olds && annotationsOf(olds)[autonamed] === "true" ? nameOf(olds) : undefined;
            metadata["name"] = adopted ?? `${context.name}-${suffix}`;
            metadata["annotations"] = { ...(metadata["annotations"] as PropertyMap), [autonamed]: "true" };
        }
        const { defaultNamespace } = this.environment;
        if (this.kind.namespaced && defaultNamespace && metadata["namespace"] === undefined) {
            metadata["namespace"] = defaultNamespace;
        }
        inputs["metadata"] = metadata;
        const paths = secretPaths(secrets, inputs);
        this.environment.secretInputs.set(context.urn, secrets);
        return { inputs, failures, secrets: paths };
    }

    diff({ olds, news, ignoreChanges }: DiffRequest): DiffResult {
        const state = toCheckpoint(withoutNulls(olds));
        const now = this.#placed(normalize(toCluster(news)));
        const old = this.#placed(prune(state.live, normalize(state.inputs)));
        const changes = compare(old, now, (path) => replaces(this.kind, path));
        for (const path of [...changes.keys()]) {
            if (ignoreChanges.some((pattern) => pathCovers(pattern, path))) {
                changes.delete(path);
            }
        }
        const replaced = [...changes.values()].some((change) => change.replace);
        return {
            changes,
            // Old and new cannot live side by side under one name.
            deleteBeforeReplace:
                replaced &&
                annotationsOf(now)[autonamed] !== "true" &&
                nameOf(now) === nameOf(old) &&
                namespaceOf(now) === namespaceOf(old),
        };
    }

    async create({ inputs: given }: CreateRequest, context: Context): Promise<CreateResult> {
        const inputs = toCluster(given);
        if (context.preview && !(await this.#previewable(inputs, context))) {
            return { outputs: given, secrets: this.#secrets(inputs, context) };
        }
        const checkpoint = {
            inputs,
            initialApiVersion: this.kind.apiVersion,
            fieldManager: annotationsOf(inputs)["pulumi.com/patchFieldManager"] ?? newFieldManager(),
        };
        if (context.preview) {
            try {
                const live = await this.environment.cluster().create(inputs, true, context.signal);
                return this.#outputs({ ...checkpoint, live: withoutStatus(live) }, context);
            } catch (error) {
                if (cannotPreview(error)) {
                    return { outputs: given, secrets: this.#secrets(inputs, context) };
                }
                throw this.#refused(inputs, error);
            }
        }
        const made = await this.#created(inputs, context);
        this.#learnKinds(inputs);
        const id = idOf(made);
        const live = await this.#ready(id, made, { ...checkpoint, live: made }, context);
        return { id, ...this.#outputs({ ...checkpoint, live }, context) };
    }

    async read({ id, olds, inputs: given }: ReadRequest, context: Context): Promise<ReadResult | undefined> {
        const imported = Object.keys(given).length === 0;
        const known = normalize(toCluster(given));
        const object = imported ? this.#reference(id) : known;
        const live = await this.environment.cluster().get(this.#named(object, id), context.signal);
        if (!live) {
            return undefined;
        }
        const inputs = imported ? normalize(withoutStatus(live)) : prune(live, known);
        const state = toCheckpoint(olds);
        const outputs = this.#outputs(
            {
                inputs,
                live,
                initialApiVersion: state.initialApiVersion || this.kind.apiVersion,
                fieldManager: state.fieldManager || newFieldManager(),
            },
            context,
        );
        return { id, inputs, ...outputs };
    }

    async update({ id, olds, news }: UpdateRequest, context: Context): Promise<Outputs> {
        const inputs = normalize(toCluster(news));
        const state = toCheckpoint(olds);
        if (context.preview && !(await this.#previewable(inputs, context))) {
            return { outputs: news, secrets: this.#secrets(inputs, context) };
        }
        const checkpoint = {
            inputs,
            initialApiVersion: state.initialApiVersion || this.kind.apiVersion,
            fieldManager:
                annotationsOf(inputs)["pulumi.com/patchFieldManager"] ?? (state.fieldManager || newFieldManager()),
        };
        let written: KubernetesObject;
        try {
            written = await this.#apply(inputs, checkpoint.fieldManager, context);
        } catch (error) {
            if (context.preview && error instanceof ClusterError && error.reason === "Forbidden") {
                return { outputs: news, secrets: this.#secrets(inputs, context) };
            }
            throw new Error(`update of resource ${id} failed: ${(error as Error).message}`, { cause: error });
        }
        this.#learnKinds(inputs);
        if (context.preview) {
            return this.#outputs({ ...checkpoint, live: written }, context);
        }
        const live = await this.#ready(id, written, { ...checkpoint, live: written }, context);
        return this.#outputs({ ...checkpoint, live }, context);
    }

    async delete({ id, olds }: DeleteRequest, context: Context): Promise<void> {
        const { live, inputs } = toCheckpoint(olds);
        const object = this.#named({ ...live, metadata: { ...metadataOf(live), ...metadataOf(inputs) } }, id);
        const policy = annotationsOf(object)["pulumi.com/deletionPropagationPolicy"] ?? "foreground";
        await deleted(this.environment.cluster(), object, policy[0]!.toUpperCase() + policy.slice(1), context);
        this.#learnKinds(object);
    }

    async #previewable(inputs: KubernetesObject, context: Context): Promise<boolean> {
        return (
            !hasComputed(inputs) &&
            this.environment.isClusterKnown() &&
            this.environment.cluster().knows(this.kind.apiVersion, this.kind.kind, context.signal)
        );
    }

    /** Creates the object; waits a little for a namespace or a kind that is still being made. */
    async #created(inputs: KubernetesObject, context: Context): Promise<KubernetesObject> {
        for (let attempt = 1; ; attempt++) {
            try {
                return await this.environment.cluster().create(inputs, false, context.signal);
            } catch (error) {
                const missing = error instanceof NoMatchError || (error instanceof ClusterError && error.code === 404);
                if (!missing || attempt === createAttempts) {
                    throw this.#refused(inputs, error);
                }
                context.status(`Retry #${attempt}; creation failed: ${(error as Error).message}`);
                await pause(firstPauseMs * 2 ** (attempt - 1), undefined, { signal: context.signal });
            }
        }
    }

    async #apply(inputs: KubernetesObject, fieldManager: string, context: Context): Promise<KubernetesObject> {
        const cluster = this.environment.cluster();
        const { preview: dryRun, signal } = context;
        const live = await cluster.get(inputs, signal);
        if (!live) {
            throw new Error(`${this.kind.kind} ${idOf(inputs)} is not there any more; run pulumi refresh`);
        }
        if (this.kind.kind === "CustomResourceDefinition") {
            // Replaced as a whole, so that versions that left the program leave the cluster.
            const { resourceVersion } = metadataOf(live);
            return cluster.replace(
                { ...inputs, metadata: { ...metadataOf(inputs), resourceVersion: resourceVersion! } },
                dryRun,
                signal,
            );
        }
        const operations = dryRun ? [] : takeOver(live, fieldManager);
        if (operations.length > 0) {
            await cluster.patch(inputs, operations, signal);
        }
        // A preview may not take over, so what the creator still holds must not count as a conflict.
        const force = annotationsOf(inputs)["pulumi.com/patchForce"] === "true" || (dryRun && hasCreator(live));
        try {
            return await cluster.apply(inputs, { fieldManager, force, dryRun }, signal);
        } catch (error) {
            if (error instanceof ClusterError && error.reason === "Conflict") {
                throw new Error(
                    "Server-Side Apply field conflict detected: another client owns fields of this object. " +
                        'Leave those fields out of the program, or take them with the annotation pulumi.com/patchForce: "true".\n' +
                        `The resource managed by field manager "${fieldManager}" had an apply conflict: ${error.message}`,
                    { cause: error },
                );
            }
            throw error;
        }
    }

    /** Waits until the object is ready, and gives it back as it is then. */
    async #ready(
        id: string,
        made: KubernetesObject,
        checkpoint: Checkpoint,
        context: Context,
    ): Promise<KubernetesObject> {
        const cluster = this.environment.cluster();
        try {
            const condition = conditionOf(checkpoint.inputs);
            if (condition && !condition.holds(made)) {
                return await untilReady(cluster, made, condition, checkpoint.inputs, context);
            }
        } catch (error) {
            const live = error instanceof WaitError ? error.live : made;
            const reason = `the Kubernetes API server has ${this.kind.kind} ${id}, but it did not become ready: ${(error as Error).message}`;
            throw new PartialFailure(id, this.#outputs({ ...checkpoint, live }, context), [
                new Error(reason, { cause: error }),
            ]);
        }
        return (await cluster.get(made, context.signal)) ?? made;
    }

    #refused(inputs: KubernetesObject, error: unknown): Error {
        const { message } = error as Error;
        const name = idOf(inputs);
        if (error instanceof NoMatchError) {
            return new Error(
                `creation of resource ${name} failed because the Kubernetes API server reported that the apiVersion for ` +
                    `this resource does not exist. Verify that any required CRDs have been created: ${message}`,
                { cause: error },
            );
        }
        const ways =
            error instanceof ClusterError && error.reason === "AlreadyExists"
                ? `. To manage the existing object, import it (resource option import: "${name}"); after a rename in the ` +
                  "program, add the old name as an alias; to replace it, delete it first; otherwise choose another metadata.name"
                : "";
        return new Error(
            `resource ${name} was not successfully created by the Kubernetes API server: ${message}${ways}`,
            {
                cause: error,
            },
        );
    }

    #learnKinds(object: KubernetesObject): void {
        if (this.kind.kind === "CustomResourceDefinition" && isKnown(object["metadata"])) {
            this.environment.cluster().forgetKinds();
        }
    }

    #outputs(checkpoint: Checkpoint, context: Context): Outputs {
        return { outputs: fromCheckpoint(checkpoint), secrets: this.#secrets(checkpoint.live, context) };
    }

    #secrets(object: KubernetesObject, context: Context): string[] {
        return secretPaths(this.environment.secretInputs.get(context.urn) ?? [], object);
    }

    // Without a namespace an object is in "default"; said or not makes no difference.
    #placed(object: KubernetesObject): KubernetesObject {
        const { namespace, ...metadata } = metadataOf(object);
        const placed = this.kind.namespaced ? { ...metadata, namespace: namespace || "default" } : metadata;
        return { ...object, metadata: placed };
    }

    #reference(id: string): KubernetesObject {
        return { apiVersion: this.kind.apiVersion, kind: this.kind.kind, ...this.#named({}, id) };
    }

    #named(object: KubernetesObject, id: string): KubernetesObject {
        const [name, namespace] = id.split("/").reverse() as [string, string?];
        const metadata = { ...metadataOf(object), name, ...(namespace !== undefined && { namespace }) };
        return { ...object, apiVersion: this.kind.apiVersion, kind: this.kind.kind, metadata };
    }
}

function newFieldManager(): string {
    return `pulumi-kubernetes-${randomBytes(4).toString("hex")}`;
}

// Nothing is ready in a preview: a status would tell a program that something is.
function withoutStatus({ status: _status, ...rest }: KubernetesObject): KubernetesObject {
    return rest;
}

/** Says whether a dry run was refused for what the real run will not meet, or will meet with a better message. */
function cannotPreview(error: unknown): boolean {
    return (
        error instanceof ClusterError &&
        (error.reason === "Forbidden" ||
            error.reason === "AlreadyExists" ||
            (error.code === 404 && error.about === "namespaces") ||
            error.message.includes("does not support dry run"))
    );
}
