// SPDX-License-Identifier: Apache-2.0
import {
    childPath,
    computed,
    hasComputed,
    isMap,
    pathSteps,
    type PropertyMap,
    type Value,
} from "../../../provider/protocol";

/** A Kubernetes object as JSON. */
export type KubernetesObject = PropertyMap;

// SDKs write these JSON schema keys with underscores, the cluster with dashes.
const dashed = [
    "embedded-resource",
    "int-or-string",
    "list-map-keys",
    "list-type",
    "map-type",
    "preserve-unknown-fields",
    "validations",
].map((name) => `x-kubernetes-${name}`);
const toDash = new Map(dashed.map((name) => [name.replaceAll("-", "_"), name]));
const toUnderscore = new Map(dashed.map((name) => [name, name.replaceAll("-", "_")]));

/** Values as the cluster writes them. */
export function toCluster(value: PropertyMap): PropertyMap {
    return renamed(value, toDash) as PropertyMap;
}

/** Values as the SDKs write them. */
export function toSdk(value: PropertyMap): PropertyMap {
    return renamed(value, toUnderscore) as PropertyMap;
}

function renamed(value: Value, names: ReadonlyMap<string, string>): Value {
    if (Array.isArray(value)) {
        return value.map((item) => renamed(item, names));
    }
    if (!isMap(value)) {
        return value;
    }
    return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [names.get(key) ?? key, renamed(item, names)]),
    );
}

/** The value without members that are null, at any depth. */
export function withoutNulls<T extends Value>(value: T): T {
    if (Array.isArray(value)) {
        return value.map(withoutNulls) as T;
    }
    if (!isMap(value)) {
        return value;
    }
    const kept = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
    return Object.fromEntries(kept.map(([key, item]) => [key, withoutNulls(item)])) as T;
}

/** The metadata of an object; empty while it is not known. */
export function metadataOf(object: KubernetesObject): PropertyMap {
    return isMap(object["metadata"]) ? object["metadata"] : {};
}

/** The annotations of an object that are known. */
export function annotationsOf(object: KubernetesObject): Record<string, string> {
    const annotations = metadataOf(object)["annotations"];
    const known = Object.entries(isMap(annotations) ? annotations : {}).filter(
        ([, value]) => typeof value === "string",
    );
    return Object.fromEntries(known) as Record<string, string>;
}

/** Name of an object; undefined while it is unset or not known. */
export function nameOf(object: KubernetesObject): string | undefined {
    return textOf(metadataOf(object)["name"]);
}

/** Namespace of an object; undefined while it is unset or not known. */
export function namespaceOf(object: KubernetesObject): string | undefined {
    return textOf(metadataOf(object)["namespace"]);
}

function textOf(value: Value | undefined): string | undefined {
    return typeof value === "string" && value !== "" ? value : undefined;
}

/** The id of an object in the state: `namespace/name`, or `name`. */
export function idOf(object: KubernetesObject): string {
    const namespace = namespaceOf(object);
    return namespace ? `${namespace}/${nameOf(object)}` : String(nameOf(object));
}

/** Says whether an object is a core Secret. */
export function isSecret(object: KubernetesObject): boolean {
    return object["apiVersion"] === "v1" && object["kind"] === "Secret";
}

const serverFields = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
];

/** Inputs in the form the cluster will keep them, so that equal objects have equal inputs. */
export function normalize(inputs: KubernetesObject): KubernetesObject {
    const object = withoutNulls(inputs);
    const metadata = { ...metadataOf(object) };
    serverFields.forEach((field) => delete metadata[field]);
    for (const field of ["labels", "annotations"]) {
        const value = metadata[field];
        if (isMap(value) && Object.keys(value).length === 0) {
            delete metadata[field];
        }
    }
    if (isMap(object["metadata"])) {
        object["metadata"] = metadata;
    }
    const { stringData } = object;
    if (isSecret(object) && isMap(stringData) && !hasComputed(stringData) && !hasComputed(object["data"])) {
        const encoded = Object.entries(stringData).map(([key, text]) => [
            key,
            Buffer.from(String(text)).toString("base64"),
        ]);
        object["data"] = { ...(isMap(object["data"]) ? object["data"] : {}), ...Object.fromEntries(encoded) };
        delete object["stringData"];
    }
    return object;
}

/** Of a live object, what the inputs speak of. */
export function prune(live: KubernetesObject, inputs: KubernetesObject): KubernetesObject {
    return pruneValue(live, inputs) as KubernetesObject;
}

function pruneValue(live: Value, inputs: Value): Value {
    if (isMap(live) && isMap(inputs)) {
        const kept = Object.entries(live).filter(([key]) => key in inputs);
        return Object.fromEntries(kept.map(([key, value]) => [key, pruneValue(value, inputs[key]!)]));
    }
    if (Array.isArray(live) && Array.isArray(inputs)) {
        // Items beyond the inputs' were put there by others.
        return live.slice(0, inputs.length).map((item, index) => pruneValue(item, inputs[index]!));
    }
    return live;
}

/** What the state keeps of an object: the live object, and what was asked for. */
export interface Checkpoint {
    inputs: KubernetesObject;
    live: KubernetesObject;
    initialApiVersion: string;
    fieldManager: string;
}

/** A checkpoint as outputs. */
export function fromCheckpoint({ inputs, live, initialApiVersion, fieldManager }: Checkpoint): PropertyMap {
    return {
        ...toSdk(live),
        __inputs: toSdk(inputs),
        __initialApiVersion: initialApiVersion,
        __fieldManager: fieldManager,
    };
}

/** Outputs as a checkpoint; what the state does not have is empty. */
export function toCheckpoint(outputs: PropertyMap): Checkpoint {
    const { __inputs, __initialApiVersion, __fieldManager, ...live } = toCluster(outputs);
    return {
        inputs: isMap(__inputs) ? __inputs : {},
        live,
        initialApiVersion: textOf(__initialApiVersion) ?? "",
        fieldManager: textOf(__fieldManager) ?? "",
    };
}

/**
 * Paths of outputs to keep secret for secret paths of the inputs: there and in the copy of the inputs. A secret in a
 * list makes the list secret: its items may move.
 */
export function secretPaths(paths: Iterable<string>, object: KubernetesObject): string[] {
    const found = new Set(isSecret(object) ? ["data", "stringData"] : []);
    for (const path of paths) {
        const steps = pathSteps(path);
        const list = steps.findIndex((step) => typeof step === "number");
        found.add((list === -1 ? steps : steps.slice(0, list)).reduce<string>(childPath, ""));
    }
    return [...found].flatMap((path) => [path, path.startsWith("[") ? `__inputs${path}` : `__inputs.${path}`]);
}

/** Says whether a value is known and set. */
export function isKnown(value: Value | undefined): boolean {
    return value !== undefined && value !== null && value !== computed;
}
