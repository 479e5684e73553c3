// SPDX-License-Identifier: Apache-2.0
import { awsWord, selectors } from "./fields";
import type { JsonSchema } from "./kind";

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

/** A regular expression for a word in any case: the API server's and JavaScript's have no common flag for it. */
function anyCase(word: string): string {
    return word.replace(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`);
}

const fieldName: JsonSchema = { type: "string", minLength: 1, maxLength: 253 };

/** `propagation.injection` of a CredentialBinding. */
export const injection: JsonSchema = {
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
