// SPDX-License-Identifier: Apache-2.0
import {
    type Change,
    type CheckFailure,
    type Changes,
    childPath,
    computed,
    hasComputed,
    isMap,
    type PropertyMap,
    type Value,
} from "../../../provider/protocol";

/** Shape of a property. A block is a map with properties of its own; sets are lists without an order. */
export type Kind = "string" | "int" | "bool" | "list" | "set" | "map" | "block";

/** One property of a Vault resource: what the official plugin's schema says of it. */
export interface Property {
    kind: Kind;
    /** Field of the API, where it is not the name in snake case. */
    field?: string;
    required?: boolean;
    /** A change replaces the resource. */
    replace?: boolean;
    /** While unset the server decides: unknown in a preview, never a difference. */
    computed?: boolean;
    /** What an unset property means. Known in previews; not written into the inputs. */
    unset?: Value;
    /** What Check writes into the inputs when the program says nothing; listed in `__defaults`. */
    preset?: Value;
    /** Named by Check after the resource, with a random end, when the program says nothing. */
    autonamed?: boolean;
    secret?: boolean;
    /** The server never says it: the state keeps what was written. */
    writeOnly?: boolean;
    /** Not an input. */
    output?: boolean;
}

export type Properties = { [name: string]: Property };

/** Reads a property from an API answer's fields by its own name or by snake case. */
export function fieldOf(name: string, property: Property): string {
    return property.field ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isCollection(kind: Kind): boolean {
    return kind === "list" || kind === "set" || kind === "map" || kind === "block";
}

function isAbsent(value: Value | undefined): value is null | undefined {
    return value === undefined || value === null;
}

function isZero(value: Value | undefined): boolean {
    return (
        isAbsent(value) ||
        value === "" ||
        value === 0 ||
        value === false ||
        (Array.isArray(value) && value.length === 0) ||
        (isMap(value) && Object.keys(value).length === 0)
    );
}

/** Turns the server's value into a property's: what it leaves out is the zero of the kind. */
export function fromServer(kind: Kind, value: unknown): Value {
    switch (kind) {
        case "string":
            return typeof value === "string" ? value : "";
        case "int":
            return Number(value ?? 0);
        case "bool":
            return value === true;
        case "list":
        case "set":
            return Array.isArray(value) ? (value as Value[]) : [];
        default:
            return typeof value === "object" && value !== null ? (value as PropertyMap) : {};
    }
}

/** Checks inputs and adds what Check has to add. `name` is the logical name, `suffix` the random end of a made-up name. */
export function checkInputs(
    properties: Properties,
    news: PropertyMap,
    olds: PropertyMap | undefined,
    name: string,
    suffix: string,
): { inputs: PropertyMap; failures: CheckFailure[] } {
    const inputs: PropertyMap = {};
    const failures: CheckFailure[] = [];
    const defaults: string[] = [];
    for (const [key, value] of Object.entries(news)) {
        const property = properties[key];
        if (key === "__defaults" || isAbsent(value)) {
            continue;
        }
        if (!property || property.output) {
            failures.push({
                property: key,
                reason: "the lab's stand-in for the Vault plugin does not know this property; use the official plugin",
            });
            continue;
        }
        if (!(value === computed || fits(property.kind, value))) {
            failures.push({ property: key, reason: `expected ${article(property.kind)}` });
        }
        inputs[key] = value;
    }
    const oldDefaults = Array.isArray(olds?.["__defaults"]) ? olds["__defaults"] : [];
    for (const [key, property] of Object.entries(properties)) {
        if (key in inputs) {
            continue;
        }
        if (property.autonamed) {
            const kept = oldDefaults.includes(key) ? olds?.[key] : undefined;
            inputs[key] = kept ?? `${name}-${suffix}`;
            defaults.push(key);
        } else if (property.preset !== undefined) {
            inputs[key] = property.preset;
            defaults.push(key);
        } else if (property.required) {
            failures.push({ property: key, reason: `missing required property '${key}'` });
        }
    }
    inputs["__defaults"] = defaults.sort();
    return { inputs, failures };
}

function fits(kind: Kind, value: Value): boolean {
    switch (kind) {
        case "string":
            return typeof value === "string";
        case "int":
            return Number.isInteger(value);
        case "bool":
            return typeof value === "boolean";
        case "list":
        case "set":
            return Array.isArray(value);
        default:
            return isMap(value);
    }
}

function article(kind: Kind): string {
    const words: Record<Kind, string> = {
        string: "a text",
        int: "a whole number",
        bool: "true or false",
        list: "a list",
        set: "a list",
        map: "a map",
        block: "a map",
    };
    return words[kind];
}

/** The outputs a preview promises: inputs, then what the state has (on an update), then what an unset property means. */
export function plan(properties: Properties, inputs: PropertyMap, state: PropertyMap | undefined): PropertyMap {
    const planned: PropertyMap = {};
    for (const [key, property] of Object.entries(properties)) {
        const input = property.output ? undefined : inputs[key];
        const old = state?.[key];
        if (!isAbsent(input)) {
            planned[key] = input;
        } else if (state && (property.computed || isZero(old))) {
            planned[key] = old ?? null;
        } else if (property.computed) {
            planned[key] = computed;
        } else {
            planned[key] = property.unset ?? null;
        }
    }
    return planned;
}

/**
 * The outputs after a write. The server cannot tell an empty collection from an unset one: the plan can.
 * `live` has every property but the write-only ones.
 */
export function settle(properties: Properties, planned: PropertyMap, live: PropertyMap): PropertyMap {
    const outputs: PropertyMap = {};
    for (const [key, property] of Object.entries(properties)) {
        const value = live[key];
        const wished = planned[key];
        if (property.writeOnly || value === undefined) {
            outputs[key] = wished === undefined || hasComputed(wished) ? null : wished;
        } else if (isCollection(property.kind) && !property.computed && isAbsent(wished) && isZero(value)) {
            outputs[key] = null;
        } else {
            outputs[key] = value;
        }
    }
    return outputs;
}

/** The outputs of a read: live values; for write-only properties what the state has. */
export function observe(properties: Properties, state: PropertyMap, live: PropertyMap): PropertyMap {
    const outputs: PropertyMap = {};
    for (const [key, property] of Object.entries(properties)) {
        const value = property.writeOnly ? undefined : live[key];
        outputs[key] = value === undefined ? (state[key] ?? property.unset ?? null) : value;
    }
    return outputs;
}

/** Inputs as live values have them: of the properties the program sets, or, on import, of all that say something. */
export function projectInputs(properties: Properties, inputs: PropertyMap, outputs: PropertyMap): PropertyMap {
    const imported = Object.keys(inputs).length === 0;
    const projected: PropertyMap = {};
    for (const [key, property] of Object.entries(properties)) {
        const value = outputs[key];
        const asked = imported ? !property.output && !isZero(value) && value !== property.unset : key in inputs;
        if (asked && !isAbsent(value)) {
            projected[key] = value;
        }
    }
    const defaults = Array.isArray(inputs["__defaults"]) ? inputs["__defaults"] : [];
    if (imported || defaults.length > 0) {
        projected["__defaults"] = imported ? [] : defaults;
    }
    return projected;
}

/** What a new program changes of a state. */
export function compare(properties: Properties, state: PropertyMap, news: PropertyMap): Changes {
    const changes: Changes = new Map();
    for (const [key, property] of Object.entries(properties)) {
        if (property.output) {
            continue;
        }
        const report = (path: string, kind: Change["kind"]) =>
            changes.set(path, { kind, replace: property.replace ?? false, input: false });
        const old = state[key];
        const now = news[key];
        if (!isAbsent(now)) {
            compareValues(property.kind, key, old, now, report);
        } else if (property.computed || isZero(old) || old === property.unset) {
            continue;
        } else {
            report(key, "delete");
        }
    }
    return changes;
}

function compareValues(
    kind: Kind,
    path: string,
    old: Value | undefined,
    now: Value,
    report: (path: string, kind: Change["kind"]) => void,
): void {
    if (isAbsent(old)) {
        if (!isZero(now)) {
            report(path, "add");
        }
    } else if (kind === "set" && Array.isArray(old) && Array.isArray(now)) {
        compareSets(path, old, now, report);
    } else if (Array.isArray(old) && Array.isArray(now)) {
        for (let index = 0; index < Math.max(old.length, now.length); index++) {
            const at = childPath(path, index);
            if (index >= now.length) {
                report(at, "delete");
            } else {
                compareValues("string", at, old[index], now[index]!, report);
            }
        }
    } else if (isMap(old) && isMap(now)) {
        for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
            const at = childPath(path, key);
            // Of a block, what the program leaves out is the server's.
            if (isAbsent(now[key])) {
                if (kind !== "block" && !isAbsent(old[key])) {
                    report(at, "delete");
                }
            } else {
                compareValues("string", at, old[key], now[key]!, report);
            }
        }
    } else if (now !== old || now === computed) {
        report(path, "update");
    }
}

function compareSets(
    path: string,
    old: Value[],
    now: Value[],
    report: (path: string, kind: Change["kind"]) => void,
): void {
    const added = now.flatMap((item, index) => (old.includes(item) ? [] : [index]));
    const removed = old.flatMap((item, index) => (now.includes(item) ? [] : [index]));
    for (const index of new Set([...added, ...removed])) {
        const both = added.includes(index) && removed.includes(index);
        report(childPath(path, index), both ? "update" : added.includes(index) ? "add" : "delete");
    }
}

/** Names of the properties that no update changes. */
export function stables(properties: Properties): string[] {
    return Object.keys(properties)
        .filter((key) => properties[key]!.replace)
        .sort();
}

/**
 * The official plugin notes in the state which properties are lists and maps, so that it can rebuild its own state from
 * ours. We note the same: a stack may go from the stand-in to the official plugin and back.
 */
export function rawStateDelta(properties: Properties, outputs: PropertyMap): Value {
    const shapes: PropertyMap = {};
    for (const [key, property] of Object.entries(properties)) {
        const value = outputs[key];
        if (property.kind === "block" && isMap(value)) {
            const inner = Object.entries(value).filter(([, item]) => Array.isArray(item));
            shapes[key] = { plu: { i: shape(Object.fromEntries(inner.map(([name]) => [name, { arr: {} }]))) } };
        } else if (Array.isArray(value)) {
            shapes[key] = { arr: {} };
        } else if (isMap(value)) {
            shapes[key] = { map: {} };
        }
    }
    return shape(shapes);
}

function shape(properties: PropertyMap): Value {
    return { obj: Object.keys(properties).length > 0 ? { ps: properties } : {} };
}
