// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../../api";
import type { Value } from "../protocol";
import { mountPath } from "../openai-config/schema";
import type { Table } from "../table";

/** Shape of `riptides:openai:Plugin`. */
export const pluginTable = {
    token: "riptides:openai:Plugin",
    doc: "A version of a secrets engine plugin in the server's catalog, and the mounts that run it brought to that version without losing leases.",
    notes: `
## What happens

- The binary must be in the server's \`plugin_directory\` already; this resource registers it.
- Before any live mount is touched, the new entry is tried: the plugin is mounted at a throwaway path \`riptides-try-…\` and unmounted again. The server takes any checksum
  when an entry is written and only fails at the first start of the plugin; so a wrong \`sha256\`, \`command\` or \`version\` ends here, and the entry is put back as it was.
- A new version, in this order: register it, try it, set \`plugin_version\` of each mount, reload, check what runs, and only then deregister the old version.
  If a mount does not come up with the new version, it is set back to the old one. The plugin's leases live in the server and stay.
- A new checksum under the same version replaces the entry and reloads the mounts.
- A plugin declared in the server's configuration file is refused: writing such an entry by the API keeps the server from starting again.
- Delete deregisters. It is refused while a mount runs this version: that mount and its leases would be lost.
- Preview, check and diff need no server.

## Permissions of the token

\`sudo\`, \`create\`, \`read\`, \`update\`, \`delete\` on \`sys/plugins/catalog/secret/<name>\`; \`read\` on \`sys/mounts\`; \`create\`, \`update\`, \`delete\` on \`sys/mounts/riptides-try-*\`;
\`update\` on \`sys/mounts/<mount>/tune\`; \`sudo\`, \`update\` on \`sys/plugins/reload/backend\`.
`,
    importId: "openai@v0.1.0",
    inputs: {
        name: {
            type: "string",
            default: "openai",
            immutable: true,
            doc: "Name in the catalog: the `type` of mounts that run it.",
            check: pluginName,
        },
        version: {
            type: "string",
            required: true,
            doc: "Semantic version that the binary says of itself, for example `v0.1.0`.",
            check: semanticVersion,
        },
        command: {
            type: "string",
            required: true,
            wire: "command",
            doc: "File name of the binary in the server's plugin_directory.",
            check: fileName,
        },
        sha256: {
            type: "string",
            required: true,
            wire: "sha256",
            doc: "SHA-256 of that file, in hexadecimal.",
            check: checksum,
        },
        args: {
            type: { list: "string" },
            wire: "args",
            doc: "Arguments of the process. Not secret: the catalog shows them.",
        },
        env: {
            type: { map: "string" },
            writeOnly: true,
            doc: "Environment of the process, beside the server's own. The catalog never gives it back and the state has a hash of each value (see riptides:openai:Config).",
        },
        mounts: {
            type: { list: "string" },
            doc: "Mounts to bring to this version. Default: every mount of the type `name`.",
            check: (value: Value, property: string) =>
                (value as Value[]).map((path, index) => mountPath(path, `${property}[${index}]`)),
        },
    },
    outputs: {
        runningVersion: {
            type: "string",
            doc: "Version that the mounts run; one of them, if they differ from `version`.",
        },
        runningSha256: {
            type: "string",
            doc: "Checksum of the binary that the mounts run; one of them, if they differ from `sha256`.",
        },
    },
} as const satisfies Table;

function pluginName(value: Value, property: string): Value {
    if (!/^[A-Za-z0-9][\w.-]*$/.test(String(value))) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: `${JSON.stringify(value)} is not the name of a plugin`,
            fix: "Use letters, digits, _, - and .",
        });
    }
    return value;
}

// The server takes both notations and stores this one.
function semanticVersion(value: Value, property: string): Value {
    const match = /^v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$/.exec(String(value));
    if (!match) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: `${JSON.stringify(value)} is not a semantic version`,
            fix: "Write it as v1.2.3.",
        });
    }
    return `v${match[1]}`;
}

function fileName(value: Value, property: string): Value {
    const name = String(value);
    if (name === "" || name.startsWith("/") || name.split("/").includes("..")) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: `${JSON.stringify(name)} is not a file below the plugin_directory`,
            fix: "Give the file's name only.",
        });
    }
    return name;
}

function checksum(value: Value, property: string): Value {
    const text = String(value).toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(text)) {
        throw new RiptidesError("PluginChecksum", {
            property,
            reason: "a SHA-256 has 64 hexadecimal digits",
            fix: "Give the output of sha256sum for the file in the plugin_directory.",
        });
    }
    return text;
}
