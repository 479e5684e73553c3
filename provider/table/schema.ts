// SPDX-License-Identifier: Apache-2.0
import { childPath } from "../protocol";
import type { Fields, FieldType, Table } from "./table";

type Json = Record<string, unknown>;

/** What the package schema says of itself. */
export interface Package {
    name: string;
    version: string;
    displayName: string;
    description: string;
    license: string;
    keywords: readonly string[];
}

/** The Pulumi package schema of some resources and the provider's own configuration. */
export function packageSchema(about: Package, configuration: Fields, tables: readonly Table[]): Json {
    const types: Record<string, Json> = {};
    const resources = Object.fromEntries(
        tables.map((table) => [table.token, resourceSchema(about.name, table, types)]),
    );
    const provider = properties(about.name, configuration, types);
    return {
        ...about,
        config: { variables: provider.properties },
        provider: { description: `Configuration of ${about.displayName}.`, inputProperties: provider.properties },
        types,
        resources,
    };
}

function resourceSchema(name: string, table: Table, types: Record<string, Json>): Json {
    const inputs = properties(name, table.inputs, types);
    const readable = Object.fromEntries(Object.entries(table.inputs).filter(([, field]) => !field.writeOnly));
    const outputs = properties(name, { ...readable, ...table.outputs }, types);
    const always = Object.entries({ ...readable, ...table.outputs })
        .filter(
            ([key, field]) => field.required || field.default !== undefined || (key in table.outputs && field.stable),
        )
        .map(([key]) => key);
    return {
        description: table.doc,
        inputProperties: inputs.properties,
        requiredInputs: inputs.required,
        properties: outputs.properties,
        required: always,
    };
}

function properties(
    name: string,
    fields: Fields,
    types: Record<string, Json>,
): { properties: Json; required: string[] } {
    const required = Object.entries(fields).filter(([, field]) => field.required);
    return {
        properties: Object.fromEntries(
            Object.entries(fields).map(([key, field]) => [
                key,
                {
                    ...typeSchema(name, field.type, types),
                    description: field.doc,
                    ...(field.secret || field.writeOnly ? { secret: true } : {}),
                    ...(field.immutable ? { willReplaceOnChanges: true } : {}),
                    ...(field.default === undefined ? {} : { default: field.default }),
                },
            ]),
        ),
        required: required.map(([key]) => key),
    };
}

function typeSchema(name: string, type: FieldType, types: Record<string, Json>): Json {
    switch (type) {
        case "duration":
            return { oneOf: [{ type: "string" }, { type: "integer" }] };
        case "any":
            return { $ref: "pulumi.json#/Any" };
        case "string":
        case "integer":
        case "boolean":
            return { type };
    }
    if ("list" in type) {
        return { type: "array", items: typeSchema(name, type.list, types) };
    }
    if ("map" in type) {
        return { type: "object", additionalProperties: typeSchema(name, type.map, types) };
    }
    const token = `${name}:index:${type.object}`;
    types[token] = { type: "object", ...properties(name, type.fields, types) };
    return { $ref: `#/types/${token}` };
}

/** Fields with nested ones flattened, by path, for tables in the docs. */
export function flatten(fields: Fields, path = ""): { path: string; field: Fields[string] }[] {
    return Object.entries(fields).flatMap(([key, field]) => {
        const own = { path: childPath(path, key), field };
        const type = typeof field.type === "object" && "list" in field.type ? field.type.list : field.type;
        return typeof type === "object" && "fields" in type ? [own, ...flatten(type.fields, own.path)] : [own];
    });
}
