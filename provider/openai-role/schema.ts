// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../../api";
import type { Value } from "../protocol";
import { wholeSeconds, type Table } from "../table";
import { mountPath } from "../openai-config/schema";

const token = "riptides:openai:Role";
const namePattern = /^\w(?:[\w.-]*\w)?$/;

/** Shape of `riptides:openai:Role`. */
export const roleTable = {
    token,
    doc: "A role of the OpenAI secrets engine: what a key read from `<mount>/creds/<name>` is made of, and how long it lives.",
    notes: `
## What happens

- Create and update write \`<mount>/roles/<name>\`; the engine asks OpenAI once whether the project exists and is active.
- A role that exists already with the same values is taken over; one with other values is not overwritten, the error says how to import it.
- Delete removes the role first, so that no new key can be made, and then revokes every live key of it, waiting until OpenAI has deleted them.
- \`"15m"\`, \`"900s"\` and \`900\` are the same ttl: writing one for another is no change.
- Preview, check and diff need no server.

## Permissions of the token

\`create\`, \`read\`, \`update\`, \`delete\` on \`<mount>/roles/<name>\`; \`sudo\` and \`update\` on \`sys/leases/revoke-prefix/<mount>/creds/<name>\`.
`,
    importId: "openai/roles/my-role",
    inputs: {
        mount: {
            type: "string",
            required: true,
            immutable: true,
            doc: "Path of the engine's mount, for example `openai`.",
            check: mountPath,
        },
        name: {
            type: "string",
            required: true,
            immutable: true,
            doc: "Name of the role, in lower case.",
            check: roleName,
        },
        projectId: {
            type: "string",
            required: true,
            wire: "project_id",
            doc: "OpenAI project (`proj_…`) that the service accounts are made in.",
        },
        serviceAccountNameTemplate: {
            type: "string",
            default: "vault-{{.RoleName}}-{{.RandomSuffix}}",
            wire: "service_account_name_template",
            doc: "Go template of an account's name, of `RoleName`, `RandomSuffix` and `ProjectName`.",
        },
        serviceAccountDescription: {
            type: "string",
            default: "Service account created by Vault",
            wire: "service_account_description",
            doc: "A note for readers of the role. OpenAI has no such field.",
        },
        ttl: {
            type: "duration",
            default: "1h",
            wire: "ttl",
            doc: "Life of a key, in whole seconds.",
            check: wholeSeconds,
        },
        maxTtl: {
            type: "duration",
            default: "24h",
            wire: "max_ttl",
            doc: "Longest life of a key, renewals included. At least `ttl`.",
            check: wholeSeconds,
        },
        maxLive: {
            type: "integer",
            wire: "max_live",
            doc: "How many live accounts the role may have; 0 or absent: no limit. Only the engine of this package knows it.",
            check: notNegative,
        },
    },
    outputs: {
        credentialsPath: {
            type: "string",
            stable: true,
            doc: "Path to read a key from, `<mount>/creds/<name>`: for policies and CredentialSources.",
        },
    },
} as const satisfies Table;

function roleName(value: Value, property: string): Value {
    const name = String(value);
    if (!namePattern.test(name) || name !== name.toLowerCase()) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: `${JSON.stringify(name)} is not the name of a role`,
            fix: "Use lower-case letters, digits, _, - and ., with a letter or digit at both ends.",
        });
    }
    return name;
}

function notNegative(value: Value, property: string): Value {
    if (Number(value) < 0) {
        throw new RiptidesError("InvalidProperty", { property, reason: `${String(value)} is below 0` });
    }
    return value;
}
