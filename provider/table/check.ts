// SPDX-License-Identifier: Apache-2.0
import { Duration, messageOf, RiptidesError } from "../../api";
import { childPath, Computed, hasComputed, isMap, type CheckFailure, type PropertyMap, type Value } from "../protocol";
import type { Field, Fields, FieldType } from "./table";

/** Inputs in canonical form, and what is wrong with them: one failure per property. */
export interface Checked {
    inputs: PropertyMap;
    failures: CheckFailure[];
}

/** Checks inputs against their fields: types, required ones, unknown ones, defaults, canonical forms. */
export function checkFields(fields: Fields, values: PropertyMap, path = ""): Checked {
    const inputs: PropertyMap = {};
    const failures: CheckFailure[] = [];
    const fail = (property: string, error: unknown) => {
        failures.push({ property, reason: reasonOf(error) });
    };
    for (const key of Object.keys(values)) {
        // The engine keeps names with two underscores to itself.
        if (!Object.prototype.hasOwnProperty.call(fields, key) && !key.startsWith("__")) {
            fail(
                childPath(path, key),
                new RiptidesError("InvalidProperty", {
                    reason: "there is no such property",
                    fix: `Use one of ${Object.keys(fields).join(", ")}.`,
                }),
            );
        }
    }
    for (const [key, field] of Object.entries(fields)) {
        const property = childPath(path, key);
        const value = values[key] ?? field.default;
        if (value === undefined || value === null) {
            if (field.required) {
                fail(property, new RiptidesError("MissingProperty", { reason: "it is required" }));
            }
        } else if (value instanceof Computed) {
            inputs[key] = value;
        } else if (typeof field.type === "object" && "fields" in field.type && isMap(value)) {
            const inner = checkFields(field.type.fields, value, property);
            inputs[key] = inner.inputs;
            failures.push(...inner.failures);
        } else {
            try {
                const typed = canonical(field.type, value, property);
                inputs[key] = field.check && !hasComputed(typed) ? field.check(typed, property) : typed;
            } catch (error) {
                fail(error instanceof RiptidesError && error.property ? error.property : property, error);
            }
        }
    }
    return { inputs, failures };
}

/** Old inputs in today's canonical form, as far as they have one: another notation of the same value is no change. */
export function canonicalInputs(fields: Fields, values: PropertyMap): PropertyMap {
    return { ...values, ...checkFields(fields, values).inputs };
}

function canonical(type: FieldType, value: Value, property: string): Value {
    if (value instanceof Computed) {
        return value;
    }
    if (type === "duration") {
        if (typeof value !== "string" && typeof value !== "number") {
            throw mismatch(property, 'a duration such as "15m" or a number of seconds');
        }
        return Duration.parse(value, property).toString();
    }
    if (type === "any") {
        return value;
    }
    if (type === "integer") {
        if (typeof value !== "number" || !Number.isSafeInteger(value)) {
            throw mismatch(property, "a whole number");
        }
        return value;
    }
    if (type === "string" || type === "boolean") {
        if (typeof value !== type) {
            throw mismatch(property, type === "string" ? "a text" : "true or false");
        }
        return value;
    }
    if ("list" in type) {
        if (!Array.isArray(value)) {
            throw mismatch(property, "a list");
        }
        return value.map((item, index) => canonical(type.list, item, childPath(property, index)));
    }
    if (!isMap(value)) {
        throw mismatch(property, "map" in type ? "a map" : "an object");
    }
    if ("map" in type) {
        return Object.fromEntries(
            Object.entries(value).map(([key, item]) => [key, canonical(type.map, item, childPath(property, key))]),
        );
    }
    const { inputs, failures } = checkFields(type.fields, value, property);
    if (failures[0]) {
        throw new RiptidesError("InvalidProperty", {
            property: failures[0].property,
            reason: failures[0].reason,
            fix: "Correct it.",
        });
    }
    return inputs;
}

// Never shows the value: it may be a secret.
function mismatch(property: string, wanted: string): RiptidesError {
    return new RiptidesError("InvalidProperty", { property, reason: `it must be ${wanted}` });
}

// The engine shows the property itself, so the text does not repeat it.
function reasonOf(error: unknown): string {
    return error instanceof RiptidesError ? `${error.reason}. ${error.fix} [${error.code}]` : messageOf(error);
}

/** Paths of the secret fields, nested ones included. */
export function secretPaths(fields: Fields, path = ""): string[] {
    return Object.entries(fields).flatMap(([key, field]: [string, Field]) => {
        const property = childPath(path, key);
        if (field.secret || field.writeOnly) {
            return [property];
        }
        return typeof field.type === "object" && "fields" in field.type ? secretPaths(field.type.fields, property) : [];
    });
}
