// SPDX-License-Identifier: Apache-2.0
import { awsWord } from "./fields";
import type { Kind } from "./kind";

export const service: Kind = {
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
