// SPDX-License-Identifier: Apache-2.0

/** API group of the custom resources. */
export const group = "core.riptides.io";
/** Version of the custom resources. */
export const version = "v1alpha1";
/** `apiVersion` of the custom resources. */
export const apiVersion = `${group}/${version}`;
/** Namespace of the custom resources unless the program says otherwise. */
export const defaultNamespace = "riptides-system";

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

const selector: JsonSchema = {
    type: "object",
    description: "Keys are ANDed; a list value means any of its members.",
    minProperties: 1,
    additionalProperties: { "x-kubernetes-preserve-unknown-fields": true },
};

const selectors: JsonSchema = {
    type: "array",
    description: "Alternatives: one of them must match.",
    minItems: 1,
    items: selector,
};

const workloadID: JsonSchema = {
    type: "string",
    description: "Path of the SPIFFE ID, without its leading slash, for example `ai-agent`.",
    pattern: "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
    maxLength: 1024,
};

const duration: JsonSchema = { type: "string", description: "Whole seconds, for example `300s`.", pattern: "^\\d+s$" };

const service: Kind = {
    kind: "Service",
    plural: "services",
    description: "A destination. Its labels are what injection selectors match.",
    spec: {
        type: "object",
        required: ["addresses", "labels"],
        properties: {
            labels: {
                type: "object",
                description: "Matched by selectors of other objects.",
                additionalProperties: { type: "string" },
            },
            addresses: {
                type: "array",
                minItems: 1,
                items: {
                    type: "object",
                    required: ["address"],
                    properties: {
                        address: {
                            type: "string",
                            description: "Host name or IP address.",
                            minLength: 1,
                            maxLength: 253,
                        },
                        port: { type: "integer", minimum: 1, maximum: 65535 },
                        tags: { type: "array", items: { type: "string" } },
                        aliases: {
                            type: "array",
                            description: "More host names of the same address.",
                            items: { type: "string" },
                        },
                    },
                },
            },
            external: { type: "boolean", description: "`true`: outside the trust domain." },
        },
    },
    columns: [{ name: "Address", type: "string", jsonPath: ".spec.addresses[0].address" }],
};

const credentialSource: Kind = {
    kind: "CredentialSource",
    plural: "credentialsources",
    shortNames: ["credsrc"],
    description: "Where a credential comes from.",
    spec: {
        type: "object",
        required: ["vault"],
        properties: {
            vault: {
                type: "object",
                description: "A path of OpenBao or Vault, read with a token that a JWT of the workload buys.",
                required: ["address", "role", "path"],
                properties: {
                    address: {
                        type: "string",
                        description: "URL as seen from the node.",
                        pattern: "^https?://[^\\s/]+/?$",
                    },
                    namespace: { type: "string", description: "Namespace of the server." },
                    jwtAuthMethodPath: {
                        type: "string",
                        description: "Mount of the JWT auth method.",
                        default: "jwt",
                        minLength: 1,
                    },
                    role: { type: "string", description: "Role of the JWT auth method.", minLength: 1 },
                    path: {
                        type: "string",
                        description: "Path to read, for example `openai/creds/my-role`.",
                        minLength: 1,
                    },
                    audience: {
                        type: "array",
                        description: "Audience of the JWT.",
                        items: { type: "string" },
                        default: ["vault"],
                        minItems: 1,
                    },
                    caBundle: {
                        type: "string",
                        description: "PEM certificates to trust, instead of the node's own store.",
                    },
                    idTokenLifetime: { ...duration, description: "Life of the JWT, for example `60s` (the default)." },
                },
            },
        },
    },
    columns: [
        { name: "Address", type: "string", jsonPath: ".spec.vault.address" },
        { name: "Path", type: "string", jsonPath: ".spec.vault.path" },
    ],
};

const workloadIdentity: Kind = {
    kind: "WorkloadIdentity",
    plural: "workloadidentitys",
    description: "Which processes, on which node, have a SPIFFE ID.",
    spec: {
        type: "object",
        required: ["workloadID", "scope", "selectors"],
        properties: {
            workloadID,
            scope: {
                type: "object",
                description: "The node. Exactly one of its members.",
                minProperties: 1,
                maxProperties: 1,
                properties: {
                    agent: {
                        type: "object",
                        required: ["id"],
                        properties: { id: { ...workloadID, description: "Workload ID of the Daemon." } },
                    },
                    daemon: {
                        type: "object",
                        description: "Newer name of `agent`.",
                        required: ["id"],
                        properties: { id: { ...workloadID, description: "Workload ID of the Daemon." } },
                    },
                },
            },
            selectors: { ...selectors, description: "Which processes: one of these must match (docs/selectors.md)." },
        },
    },
    columns: [{ name: "WorkloadID", type: "string", jsonPath: ".spec.workloadID" }],
};

const credentialBinding: Kind = {
    kind: "CredentialBinding",
    plural: "credentialbindings",
    shortNames: ["cb"],
    description: "Gives the processes of a workload a credential.",
    spec: {
        type: "object",
        required: ["workloadID", "credentialSource", "propagation"],
        properties: {
            workloadID,
            credentialSource: {
                type: "string",
                description: "Name of a CredentialSource of the same namespace.",
                minLength: 1,
            },
            refreshTrigger: {
                type: "string",
                description:
                    "Any text. A change makes the agent fetch a new credential at once, before the old one is revoked.",
                maxLength: 256,
            },
            propagation: {
                type: "object",
                description: "How the credential reaches the processes.",
                minProperties: 1,
                properties: {
                    sysfs: { type: "object", description: "A file that only the processes of the workload can read." },
                },
            },
        },
    },
    status: {
        type: "object",
        properties: {
            state: { type: "string", enum: ["OK", "FAILED"] },
            reason: {
                type: "string",
                description: "One word of the error catalogue when FAILED, or `Spoofable` as a warning when OK.",
            },
            message: { type: "string" },
            updateAt: { type: "string", format: "date-time" },
            expiresAt: { type: "string", format: "date-time", description: "When the credential in the kernel ends." },
            observedGeneration: {
                type: "integer",
                format: "int64",
                description: "metadata.generation that this status speaks of.",
            },
            agent: { type: "string", description: "Workload ID of the Daemon that wrote this." },
            sysfs: {
                type: "object",
                properties: {
                    files: {
                        type: "array",
                        items: {
                            type: "object",
                            required: ["path", "type"],
                            properties: {
                                path: { type: "string" },
                                type: { type: "string", enum: ["CONFIG", "CREDENTIAL", "TOKEN"] },
                            },
                        },
                    },
                },
            },
        },
    },
    columns: [
        { name: "WorkloadID", type: "string", jsonPath: ".spec.workloadID" },
        { name: "Source", type: "string", jsonPath: ".spec.credentialSource" },
        { name: "State", type: "string", jsonPath: ".status.state" },
        { name: "Reason", type: "string", jsonPath: ".status.reason" },
        { name: "Expires", type: "string", jsonPath: ".status.expiresAt", priority: 1 },
    ],
};

const daemon: Kind = {
    kind: "Daemon",
    plural: "daemons",
    description: "A node agent, registered by itself.",
    spec: {
        type: "object",
        required: ["workloadID", "claimerType"],
        properties: {
            workloadID,
            claimerType: { type: "string", description: "How the node proved itself.", enum: ["JWT"] },
        },
    },
    status: {
        type: "object",
        properties: {
            health: {
                type: "object",
                properties: {
                    daemonHealth: { type: "string" },
                    driverHealth: { type: "string" },
                    lastProbeAt: { type: "string", format: "date-time" },
                },
            },
            metadata: {
                type: "array",
                items: {
                    type: "object",
                    required: ["name", "value"],
                    properties: { name: { type: "string" }, value: { type: "string" } },
                },
            },
        },
    },
    columns: [
        { name: "WorkloadID", type: "string", jsonPath: ".spec.workloadID" },
        { name: "Agent", type: "string", jsonPath: ".status.health.daemonHealth" },
        { name: "Driver", type: "string", jsonPath: ".status.health.driverHealth" },
    ],
};

/** The kinds of the group, in the order in which objects are applied. */
export const kinds = { service, credentialSource, workloadIdentity, credentialBinding, daemon } as const;
