// SPDX-License-Identifier: Apache-2.0
import { Duration, RiptidesError } from "../../api";
import type { PropertyMap, Value } from "../protocol";
import type { Field, Fields } from "./table";

/** The body of a write: fields with a wire name, in the server's notation (durations as whole seconds). */
export function payload(
    fields: Fields,
    values: PropertyMap,
    only?: (name: string) => boolean,
): Record<string, unknown> {
    const body: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields)) {
        const value = values[name];
        if (field.wire && value !== undefined && value !== null && (only?.(name) ?? true)) {
            body[field.wire] = field.type === "duration" ? Duration.parse(String(value)).wholeSeconds : value;
        }
    }
    return body;
}

/** Inputs as the server has them, in canonical form. A field that the server did not answer keeps its value of `known`. */
export function project(fields: Fields, data: Record<string, unknown>, known: PropertyMap): PropertyMap {
    const values: PropertyMap = {};
    for (const [name, field] of Object.entries(fields)) {
        const value = field.wire === undefined || field.writeOnly ? undefined : data[field.wire];
        const seen = value === undefined || value === null ? known[name] : fromWire(field, value);
        // What was never set and still has the server's empty value is not set.
        if (seen !== undefined && !(known[name] === undefined && field.default === undefined && isEmpty(seen))) {
            values[name] = seen;
        }
    }
    return values;
}

function fromWire(field: Field, value: unknown): Value {
    return field.type === "duration" ? Duration.parse(value as string | number).toString() : (value as Value);
}

function isEmpty(value: Value): boolean {
    return (
        value === "" || value === 0 || value === "0s" || value === false || (Array.isArray(value) && value.length === 0)
    );
}

/** For `check` of a duration that the server counts in whole seconds. */
export function wholeSeconds(value: Value, property: string): Value {
    if (Duration.parse(String(value), property).milliseconds % 1_000 !== 0) {
        throw new RiptidesError("InvalidDuration", {
            property,
            reason: `${String(value)} is not a number of whole seconds`,
        });
    }
    return value;
}
