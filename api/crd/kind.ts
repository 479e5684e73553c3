// SPDX-License-Identifier: Apache-2.0
/** The part of JSON schema that the Kubernetes API server takes (structural schema, OpenAPI v3). */
export interface JsonSchema {
    type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
    description?: string;
    properties?: Record<string, JsonSchema>;
    additionalProperties?: JsonSchema | boolean;
    required?: string[];
    items?: JsonSchema;
    enum?: string[];
    oneOf?: JsonSchema[];
    anyOf?: JsonSchema[];
    not?: JsonSchema;
    pattern?: string;
    format?: string;
    default?: unknown;
    minimum?: number;
    maximum?: number;
    minLength?: number;
    maxLength?: number;
    minItems?: number;
    maxItems?: number;
    minProperties?: number;
    maxProperties?: number;
    "x-kubernetes-int-or-string"?: boolean;
    "x-kubernetes-preserve-unknown-fields"?: boolean;
    "x-kubernetes-validations"?: { rule: string; message: string }[];
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
    name: string;
    type: "string" | "integer" | "date" | "boolean";
    jsonPath: string;
    priority?: number;
}

/** One kind: names, schemas and columns. The CustomResourceDefinition and the TypeScript types both come from it. */
export interface Kind {
    kind: string;
    plural: string;
    shortNames?: string[];
    description: string;
    spec: JsonSchema;
    status?: JsonSchema;
    columns: PrinterColumn[];
}
