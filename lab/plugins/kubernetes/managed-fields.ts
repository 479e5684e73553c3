// SPDX-License-Identifier: Apache-2.0
import { isMap, type PropertyMap, type Value } from "../../../provider/protocol";
import { type KubernetesObject, metadataOf } from "./object";

// A create leaves its fields with this manager by "Update"; from the first update on they are ours by "Apply".
const creators = ["pulumi-kubernetes", "pulumi-resource-kubernetes", "kubectl", "before-first-apply"];

/** Says whether some fields of a live object still belong to the manager that created it. */
export function hasCreator(live: KubernetesObject): boolean {
    return entriesOf(live).some(isCreator);
}

/**
 * RFC 6902 operations that give the creator's fields to a manager, so that what the program no longer says goes away on
 * the next apply and nothing conflicts. Empty when there is nothing to give. The resource version makes them fail if
 * another write came between.
 */
export function takeOver(live: KubernetesObject, fieldManager: string): object[] {
    const entries = entriesOf(live);
    const taken = entries.filter(isCreator);
    if (taken.length === 0) {
        return [];
    }
    const own = entries.find((entry) => entry["manager"] === fieldManager && entry["operation"] === "Apply");
    const merged = {
        ...(own ?? taken[0]),
        manager: fieldManager,
        operation: "Apply",
        fieldsV1: [...taken, ...(own ? [own] : [])].map((entry): Value => entry["fieldsV1"] ?? {}).reduce(union),
    };
    const others = entries.filter((entry) => entry !== own && !isCreator(entry));
    return [
        { op: "replace", path: "/metadata/managedFields", value: [merged, ...others] },
        { op: "replace", path: "/metadata/resourceVersion", value: metadataOf(live)["resourceVersion"] },
    ];
}

function entriesOf(live: KubernetesObject): PropertyMap[] {
    const entries = metadataOf(live)["managedFields"];
    return Array.isArray(entries) ? entries.filter(isMap) : [];
}

function isCreator(entry: PropertyMap): boolean {
    return (
        creators.includes(String(entry["manager"])) &&
        entry["operation"] === "Update" &&
        entry["subresource"] === undefined
    );
}

// Sets of fields are trees whose leaves are empty maps.
function union(left: Value, right: Value): Value {
    if (!isMap(left) || !isMap(right)) {
        return isMap(left) ? left : right;
    }
    const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
    return Object.fromEntries([...keys].map((key) => [key, union(left[key] ?? {}, right[key] ?? {})]));
}
