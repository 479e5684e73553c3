// SPDX-License-Identifier: Apache-2.0
import type { Value } from "../protocol";

/** Type of a field. A duration is a text such as `15m` or a number of seconds; the state holds its canonical text. */
export type FieldType =
    | "string"
    | "integer"
    | "boolean"
    | "duration"
    | "any"
    | { readonly list: FieldType }
    | { readonly map: FieldType }
    | { readonly object: string; readonly fields: Fields };

/** One field of a resource: everything that schema, check, diff, payload, read and docs need to know of it. */
export interface Field {
    readonly type: FieldType;
    /** One or two sentences for the schema and the docs page. */
    readonly doc: string;
    readonly required?: true;
    readonly default?: string | number | boolean;
    /** Marked secret in state and output. */
    readonly secret?: true;
    /** A secret that never enters the state, not even encrypted: a salted hash stands for it (write-only.ts). */
    readonly writeOnly?: true;
    /** A change replaces the resource. */
    readonly immutable?: true;
    /** An output that no update changes. */
    readonly stable?: true;
    /** Name of the field at the server; a field without one is not sent and not read back. */
    readonly wire?: string;
    /** Checks a known value and gives its canonical form. @throws RiptidesError naming `property` */
    readonly check?: (value: Value, property: string) => Value;
}

/** Fields by name. */
export type Fields = Readonly<Record<string, Field>>;

/** A resource as its users see it. */
export interface Table {
    /** Type token, for example `riptides:openai:Role`. */
    readonly token: string;
    readonly doc: string;
    /** More paragraphs of Markdown for the docs page: what happens when, limits, permissions. */
    readonly notes?: string;
    /** What an import id looks like. */
    readonly importId?: string;
    readonly inputs: Fields;
    /** Outputs beside the inputs, which are outputs all (but for write-only ones). */
    readonly outputs: Fields;
}

/** The TypeScript type of a field's checked value. */
export type ValueOf<T> = T extends "string" | "duration"
    ? string
    : T extends "integer"
      ? number
      : T extends "boolean"
        ? boolean
        : T extends { readonly list: infer Item }
          ? ValueOf<Item>[]
          : T extends { readonly map: infer Item }
            ? Record<string, ValueOf<Item>>
            : T extends { readonly fields: infer Inner extends Fields }
              ? ValuesOf<Inner>
              : Value;

/** The TypeScript type of checked inputs: required fields and those with a default are there. */
export type ValuesOf<F extends Fields> = {
    [K in keyof F as F[K] extends { required: true } | { default: Value } ? K : never]: ValueOf<F[K]["type"]>;
} & {
    [K in keyof F as F[K] extends { required: true } | { default: Value } ? never : K]?: ValueOf<F[K]["type"]>;
};
