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

/** A path as the module compares it: printable, without query, fragment, parameters and escapes. */
export const pathPrefixPattern = '^/[!"$&-:<->@-\\[\\]-~]*$';

/** Headers of the connection and the message: a credential in one of them would change what the request is. */
export const framingHeaders = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
];

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

const awsWord: JsonSchema = { type: "string", pattern: "^[a-z0-9-]+$", minLength: 1, maxLength: 63 };

/** A regular expression for a word in any case: the API server's and JavaScript's have no common flag for it. */
function anyCase(word: string): string {
    return word.replace(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`);
}

const fieldName: JsonSchema = { type: "string", minLength: 1, maxLength: 253 };

const injection: JsonSchema = {
    type: "object",
    description:
        "The kernel adds the credential to requests that the processes write as plain HTTP/1.1, and carries them over TLS.",
    required: ["selectors"],
    // Which of the two makes the Authorization header must be plain.
    not: { anyOf: ["header", "scheme", "field"].map((name) => ({ required: ["sigv4", name] })) },
    properties: {
        selectors: { ...selectors, description: "Labels of Services: one of these must match." },
        header: {
            type: "string",
            description: "Name of the header that holds the credential. Default `Authorization`.",
            pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
            maxLength: 63,
            not: { pattern: `^(${framingHeaders.map(anyCase).join("|")})$` },
        },
        scheme: {
            type: "string",
            description: "What stands before the credential. Default `Bearer`; empty: nothing.",
            pattern: "^[!-~]*$",
            maxLength: 62,
        },
        field: {
            ...fieldName,
            description:
                "Which field of the source's data is the credential, `a.b` for one inside another. Default `api_key`.",
        },
        sigv4: {
            type: "object",
            description:
                "The requests are signed with AWS Signature Version 4, in place of a header with the credential.",
            properties: {
                region: { ...awsWord, description: "For example `us-east-1`. Default: that of the Service." },
                service: { ...awsWord, description: "For example `s3`. Default: that of the Service." },
                bodyLimit: {
                    type: "integer",
                    description:
                        "Longest body in bytes that is kept to be signed. Default 1048576. S3 bodies are streamed unsigned.",
                    minimum: 1,
                    maximum: 16_777_216,
                },
                accessKeyField: { ...fieldName, description: "Default `access_key`." },
                secretKeyField: { ...fieldName, description: "Default `secret_key`." },
                sessionTokenField: {
                    ...fieldName,
                    description: "Default `security_token`. A field that is absent, null or empty: no session token.",
                },
            },
        },
        allow: {
            type: "array",
            description: "Requests that may be sent: one of these must match. Left out: every request.",
            minItems: 1,
            maxItems: 32,
            items: {
                type: "object",
                minProperties: 1,
                properties: {
                    methods: {
                        type: "array",
                        description: "For example `POST`. Left out: every method.",
                        minItems: 1,
                        maxItems: 32,
                        items: { type: "string", pattern: "^[A-Z]+$", maxLength: 15 },
                    },
                    pathPrefixes: {
                        type: "array",
                        description:
                            "Whole segments: `/v1/chat` is `/v1/chat` and what is below it. Left out: every path.",
                        minItems: 1,
                        maxItems: 32,
                        items: { type: "string", pattern: pathPrefixPattern, maxLength: 255 },
                    },
                },
            },
        },
    },
};

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
            caBundle: {
                type: "string",
                description:
                    "PEM certificates of the authorities that injection trusts for these addresses, instead of the node's own store.",
            },
            aws: {
                type: "object",
                description: "Injection signs requests to these addresses with AWS Signature Version 4.",
                required: ["region", "service"],
                properties: {
                    region: { ...awsWord, description: "For example `us-east-1`." },
                    service: { ...awsWord, description: "For example `s3`." },
                },
            },
        },
    },
    columns: [
        { name: "Address", type: "string", jsonPath: ".spec.addresses[0].address" },
        { name: "Port", type: "integer", jsonPath: ".spec.addresses[0].port" },
        { name: "AWS", type: "string", jsonPath: ".spec.aws.service", priority: 1 },
    ],
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
                    injection,
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
                description: "One word of the error catalogue when FAILED, or one of its warnings when OK.",
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
            injection: {
                type: "object",
                required: ["services", "injected", "refused", "ownTls"],
                properties: {
                    services: {
                        type: "array",
                        description: "Where the credential is injected.",
                        items: {
                            type: "object",
                            required: ["host", "port"],
                            properties: { host: { type: "string" }, port: { type: "integer" } },
                        },
                    },
                    injected: {
                        type: "integer",
                        format: "int64",
                        description: "Processes whose requests got the credential, counted anew for each credential.",
                    },
                    refused: {
                        type: "integer",
                        format: "int64",
                        description: "Refused requests, at most one a second for the same process and cause.",
                    },
                    ownTls: {
                        type: "boolean",
                        description:
                            "`true`: a process brought its own TLS since the credential came, and nothing was injected there.",
                    },
                    lastError: { type: "string", description: "The last request that was not carried, and why." },
                    lastInjectedAt: { type: "string", format: "date-time" },
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
        { name: "Injects", type: "string", jsonPath: ".status.injection.services[*].host", priority: 1 },
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
