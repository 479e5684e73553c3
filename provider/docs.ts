// SPDX-License-Identifier: Apache-2.0
import { configurationFields } from "./configuration";
import { inputRows, page } from "./table";
import { tables } from "./tables";

const header = "<!-- SPDX-License-Identifier: Apache-2.0 -->";

/** Pages of docs/ that come from the resources' tables, by path. `source` becomes a remark in each. */
export function resourcePages(remark: (source: string) => string): Record<string, string> {
    const pages = tables.map((table) => {
        const text = [header, remark("the schema.ts of the resource in provider/"), page(table)].join("\n");
        return [`docs/${pagePath(table.token)}`, text];
    });
    return { ...Object.fromEntries(pages), "docs/provider.md": providerPage(remark) } as Record<string, string>;
}

function providerPage(remark: (source: string) => string): string {
    return [
        header,
        remark("provider/docs.ts"),
        "# The provider riptides",
        "",
        "`pulumi-resource-riptides` speaks Pulumi's provider protocol directly. Its resources:",
        "",
        ...tables.map((table) => `- [${table.token}](${pagePath(table.token)}): ${table.doc}`),
        "",
        "## Configuration",
        "",
        "Set as `riptides:<name>` in the stack's configuration, as arguments of `new riptides.Provider(...)`, or by the environment variables named below. What comes from the",
        "environment is read when it is first needed and does not enter the state. The openai resources need `address` and `token`; `riptides:index:BindingStatus` needs",
        "`kubeconfig`; `riptides:node:HostAgent` needs none.",
        "",
        ...inputRows(configurationFields),
        "",
        "## What a preview needs",
        "",
        "Check and diff of the openai resources and of HostAgent are computed from their tables: a preview contacts neither OpenBao nor a node, and reports each changed field",
        "by its path. BindingStatus reads the binding's status first once it exists.",
        "",
        "## Secrets",
        "",
        "- Secret inputs stay secret in the state and in every output. Write-only ones never enter the state at all: a salted hash stands for them.",
        "- Before any log line, status text or error leaves the provider, every secret that came in is blotted out of it.",
        "",
    ].join("\n");
}

// riptides:openai:Role is resources/openai-role.md, riptides:index:BindingStatus is resources/binding-status.md.
function pagePath(token: string): string {
    const [, module, name] = token.split(":") as [string, string, string];
    const words = name.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase();
    return `resources/${module === "index" ? "" : `${module}-`}${words}.md`;
}
