// SPDX-License-Identifier: Apache-2.0
import { Duration } from "../../../api";
import { isMap, type Context, type PropertyMap, type Value } from "../../../provider/protocol";
import type { Cluster } from "./cluster";
import { annotationsOf, type KubernetesObject, metadataOf, nameOf } from "./object";

/** When an object is ready, and what to say until then. */
export interface Condition {
    waitingFor: string;
    holds(live: KubernetesObject): boolean;
}

const defaultTimeout = Duration.parse("10m");

/** What an object of these inputs has to reach; undefined when it is ready at once. */
export function conditionOf(inputs: KubernetesObject): Condition | undefined {
    const annotations = annotationsOf(inputs);
    if (annotations["pulumi.com/skipAwait"] === "true") {
        return undefined;
    }
    const wished = annotations["pulumi.com/waitFor"];
    if (wished !== undefined) {
        return all(parseWaitFor(wished));
    }
    switch (`${String(inputs["apiVersion"])} ${String(inputs["kind"])}`) {
        case "apiextensions.k8s.io/v1 CustomResourceDefinition":
            return statusCondition("Established", "True");
        case "v1 Secret":
            return inputs["type"] === "kubernetes.io/service-account-token" ? tokenIssued : undefined;
        case "apps/v1 DaemonSet":
            return rolledOut;
        default:
            return undefined;
    }
}

const tokenIssued: Condition = {
    waitingFor: "the token of the service account",
    holds: (live) => isMap(live["data"]) && typeof live["data"]["token"] === "string",
};

const rolledOut: Condition = {
    waitingFor: "the pods of every node",
    holds: (live) => {
        const status = (live["status"] ?? {}) as Record<string, number | undefined>;
        const desired = status["desiredNumberScheduled"] ?? 0;
        return (
            status["observedGeneration"] === metadataOf(live)["generation"] &&
            (status["updatedNumberScheduled"] ?? 0) === desired &&
            (status["numberReady"] ?? 0) === desired
        );
    },
};

function statusCondition(type: string, value: string): Condition {
    return {
        waitingFor: `condition ${type}=${value}`,
        holds: (live) => {
            const conditions = at(live, ["status", "conditions"]);
            const items = Array.isArray(conditions) ? conditions : [];
            return items.some((item) => isMap(item) && item["type"] === type && item["status"] === value);
        },
    };
}

/**
 * Reads the annotation `pulumi.com/waitFor`: `jsonpath={.status.state}=OK`, `jsonpath={.status.state}`,
 * `condition=Ready[=True]`, or a JSON list of them. Of JSONPath, plain members only.
 * @throws Error naming the part that is not understood
 */
export function parseWaitFor(annotation: string): Condition[] {
    if (annotation.trimStart().startsWith("[")) {
        return (JSON.parse(annotation) as string[]).flatMap(parseWaitFor);
    }
    const [, type, value = "True"] = /^condition=([^=]+)(?:=(.+))?$/.exec(annotation) ?? [];
    if (type) {
        return [statusCondition(type, value)];
    }
    const [, path, wanted] = /^jsonpath=\{((?:\.[A-Za-z_][\w-]*)+)\}(?:=(.+))?$/.exec(annotation) ?? [];
    if (path) {
        const steps = path.slice(1).split(".");
        return [
            {
                waitingFor: wanted === undefined ? path : `${path}=${wanted}`,
                holds: (live) => {
                    const found = at(live, steps);
                    return found !== undefined && found !== null && (wanted === undefined || String(found) === wanted);
                },
            },
        ];
    }
    throw new Error(
        `metadata.annotations["pulumi.com/waitFor"]: "${annotation}" is not understood by the lab's stand-in; ` +
            "write jsonpath={.member.member}[=value] or condition=Type[=Status]",
    );
}

function at(live: KubernetesObject, steps: string[]): Value | undefined {
    return steps.reduce<Value | undefined>((value, step) => (isMap(value) ? value[step] : undefined), live);
}

function all(conditions: Condition[]): Condition {
    return {
        waitingFor: conditions.map((condition) => condition.waitingFor).join(" and "),
        holds: (live) => conditions.every((condition) => condition.holds(live)),
    };
}

/** A wait ended without what it waited for; the object is as it was last seen. */
export class WaitError extends Error {
    constructor(
        message: string,
        readonly live: KubernetesObject,
    ) {
        super(message);
        this.name = "WaitError";
    }
}

/** Watches an object until the condition holds and gives it back. `live` is the object as last seen. */
export async function untilReady(
    cluster: Cluster,
    live: KubernetesObject,
    condition: Condition,
    inputs: KubernetesObject,
    context: Context,
): Promise<KubernetesObject> {
    let seen = live;
    const limit = timeoutOf(inputs, context);
    const late = AbortSignal.timeout(limit.milliseconds);
    const signal = AbortSignal.any([context.cancelled, late]);
    context.status(`waiting for ${condition.waitingFor}`);
    try {
        for (;;) {
            for await (const event of await cluster.watch(live, signal)) {
                if (event.type === "BOOKMARK") {
                    continue;
                }
                seen = event.object;
                if (event.type === "DELETED") {
                    throw new WaitError(`${nameOf(live)} was deleted while waiting for ${condition.waitingFor}`, seen);
                }
                if (condition.holds(seen)) {
                    context.status("");
                    return seen;
                }
            }
        }
    } catch (error) {
        if (late.aborted) {
            throw new WaitError(`timed out after ${limit} waiting for ${condition.waitingFor}`, seen);
        }
        throw error instanceof WaitError ? error : new WaitError((error as Error).message, seen);
    }
}

/** Deletes an object and returns when the cluster has let it go. */
export async function deleted(
    cluster: Cluster,
    object: KubernetesObject,
    propagation: string,
    context: Context,
): Promise<void> {
    const limit = timeoutOf(object, context);
    const late = AbortSignal.timeout(limit.milliseconds);
    const signal = AbortSignal.any([context.cancelled, late]);
    let seen = object;
    try {
        for (let asked = false; ; asked = true) {
            const live = await cluster.get(object, signal);
            // Another object under the same name is not ours to wait for.
            if (!live || (asked && uidOf(live) !== uidOf(seen))) {
                return;
            }
            seen = live;
            const events = await cluster.watch(object, signal);
            if (!asked && !(await cluster.delete(object, propagation, signal))) {
                return;
            }
            context.status(`waiting for ${nameOf(object)} to be gone`);
            for await (const event of events) {
                if (event.type === "DELETED" && uidOf(event.object) === uidOf(seen)) {
                    context.status("");
                    return;
                }
            }
        }
    } catch (error) {
        if (late.aborted) {
            const finalizers = JSON.stringify(metadataOf(seen)["finalizers"] ?? []);
            throw new Error(`${nameOf(object)} was not gone after ${limit}; finalizers: ${finalizers}`);
        }
        throw error;
    }
}

function uidOf(object: PropertyMap): Value | undefined {
    return metadataOf(object)["uid"];
}

function timeoutOf(inputs: KubernetesObject, context: Context): Duration {
    const annotated = Number(annotationsOf(inputs)["pulumi.com/timeoutSeconds"]);
    return context.timeout ?? (annotated > 0 ? Duration.seconds(annotated) : defaultTimeout);
}
