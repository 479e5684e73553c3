// SPDX-License-Identifier: Apache-2.0
import { RiptidesError, serverUrl } from "../../api";
import type { Value } from "../protocol";
import { wholeSeconds, type Table } from "../table";

/** Shape of `riptides:openai:Config`. */
export const configTable = {
    token: "riptides:openai:Config",
    doc: "Organization and admin key of an OpenAI secrets engine mount.",
    notes: `
## The admin key

\`adminApiKey\` is write-only. It goes from the program to the engine and is kept nowhere else: not in the outputs, and not in the
state, not even encrypted. In its place the state has \`hmac-sha256:<salt>:<HMAC-SHA256(salt, key)>\`, a secret itself, by which a changed key is
noticed. The salt is 128 bits of the resource's own, so equal keys of two stacks look different; a key of OpenAI has far more random bits than
anybody can try, so the hash does not help to find it. The engine never gives the key back.

## What happens

- Create and update write \`<mount>/config\`. The engine asks OpenAI whether the key is good before it stores anything: a wrong key leaves nothing behind.
- Update sends only what changed. So a change of, say, the rotation period does not write an old admin key over a rotated one.
- A rotation by the engine changes the id of the admin key; from the first rotation on, a changed id is not shown as drift. Before it, it is, and so are organization and endpoint at any time.
- A configuration that exists already with the same values is taken over, and the admin key is written; one with other values is not overwritten.
- Delete revokes every live key of the mount, waits until OpenAI has deleted them, and only then removes the configuration: without it they could not be revoked,
  and the mount could not be removed. If OpenAI cannot be reached, delete fails and leaves everything as it was.
- Preview, check and diff need no server.

## Permissions of the token

\`create\`, \`read\`, \`update\`, \`delete\` on \`<mount>/config\`; \`sudo\` and \`update\` on \`sys/leases/revoke-prefix/<mount>/creds\`.
`,
    importId: "openai/config",
    inputs: {
        mount: {
            type: "string",
            required: true,
            immutable: true,
            doc: "Path of the engine's mount, for example `openai`.",
            check: mountPath,
        },
        organizationId: {
            type: "string",
            required: true,
            wire: "organization_id",
            doc: "Organization (`org-…`) that the admin key belongs to.",
        },
        adminApiKey: {
            type: "string",
            required: true,
            writeOnly: true,
            wire: "admin_api_key",
            doc: "Admin API key (`sk-admin-…`).",
            check: adminKey,
        },
        adminApiKeyId: {
            type: "string",
            required: true,
            wire: "admin_api_key_id",
            doc: "Id of that key (`key_…`): a rotation deletes the key with this id.",
        },
        apiEndpoint: {
            type: "string",
            default: "https://api.openai.com/v1",
            wire: "api_endpoint",
            doc: "Base URL of the OpenAI API as seen from the server. Plain http needs `allowInsecureEndpoint`.",
            check: endpoint,
        },
        allowInsecureEndpoint: {
            type: "boolean",
            wire: "allow_insecure_endpoint",
            doc: "Lets the engine take an `apiEndpoint` of plain http. For tests only.",
        },
        rotationPeriod: {
            type: "duration",
            wire: "rotation_period",
            doc: "The engine rotates the admin key this often; absent or 0: never.",
            check: wholeSeconds,
        },
    },
    outputs: {},
} as const satisfies Table;

/** Canonical path of a mount: no slash at either end. */
export function mountPath(value: Value, property: string): Value {
    const path = String(value).replace(/^\/+|\/+$/g, "");
    if (!/^[\w.-]+(\/[\w.-]+)*$/.test(path)) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: `${JSON.stringify(value)} is not the path of a mount`,
            fix: "Use letters, digits, _, -, . and /, for example openai.",
        });
    }
    return path;
}

// The engine refuses the same, but only in `up`. The value never enters the message.
function adminKey(value: Value, property: string): Value {
    const key = String(value).trim();
    if (!/^[\x21-\x7e]+$/.test(key)) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: key ? "an admin key has no spaces and only ASCII characters" : "the admin key is empty",
            fix: "Give the key as OpenAI showed it, from the stack's secret configuration.",
        });
    }
    return key;
}

function endpoint(value: Value, property: string): Value {
    const text = String(value).replace(/\/+$/, "");
    serverUrl(text, {
        code: "InvalidProperty",
        property,
        wanted: "the base URL of an API",
        fix: "Use for example https://api.openai.com/v1.",
    });
    return text;
}
