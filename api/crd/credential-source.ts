// SPDX-License-Identifier: Apache-2.0
import { duration } from "./fields";
import type { Kind } from "./kind";

export const credentialSource: Kind = {
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
