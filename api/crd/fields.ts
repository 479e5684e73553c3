// SPDX-License-Identifier: Apache-2.0
// Schemas of fields that several kinds have.
import type { JsonSchema } from "./kind";

const selector: JsonSchema = {
    type: "object",
    description: "Keys are ANDed; a list value means any of its members.",
    minProperties: 1,
    additionalProperties: { "x-kubernetes-preserve-unknown-fields": true },
};

export const selectors: JsonSchema = {
    type: "array",
    description: "Alternatives: one of them must match.",
    minItems: 1,
    items: selector,
};

export const workloadID: JsonSchema = {
    type: "string",
    description: "Path of the SPIFFE ID, without its leading slash, for example `ai-agent`.",
    pattern: "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
    maxLength: 1024,
};

export const duration: JsonSchema = {
    type: "string",
    description: "Whole seconds, for example `300s`.",
    pattern: "^\\d+s$",
};

export const awsWord: JsonSchema = { type: "string", pattern: "^[a-z0-9-]+$", minLength: 1, maxLength: 63 };
