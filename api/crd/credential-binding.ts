// SPDX-License-Identifier: Apache-2.0
import { workloadID } from "./fields";
import { injection } from "./injection";
import type { JsonSchema, Kind } from "./kind";

const status: JsonSchema = {
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
};

export const credentialBinding: Kind = {
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
    status,
    columns: [
        { name: "WorkloadID", type: "string", jsonPath: ".spec.workloadID" },
        { name: "Source", type: "string", jsonPath: ".spec.credentialSource" },
        { name: "State", type: "string", jsonPath: ".status.state" },
        { name: "Reason", type: "string", jsonPath: ".status.reason" },
        { name: "Expires", type: "string", jsonPath: ".status.expiresAt", priority: 1 },
        { name: "Injects", type: "string", jsonPath: ".status.injection.services[*].host", priority: 1 },
    ],
};
