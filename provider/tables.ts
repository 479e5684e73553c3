// SPDX-License-Identifier: Apache-2.0
import { bindingStatusTable } from "./binding-status/schema";
import { configurationFields } from "./configuration";
import { hostAgentTable } from "./host-agent/schema";
import { configTable } from "./openai-config/schema";
import { pluginTable } from "./openai-plugin/schema";
import { roleTable } from "./openai-role/schema";
import { packageSchema, type Table } from "./table";

/** Every resource of the provider. */
export const tables: readonly Table[] = [pluginTable, configTable, roleTable, hostAgentTable, bindingStatusTable];

/** The Pulumi package schema, as JSON text. */
export function schemaText(version: string): string {
    const about = {
        name: "riptides",
        version,
        displayName: "Riptides",
        description: "Gives every AI agent its own short-lived OpenAI key, delivered by the kernel.",
        license: "Apache-2.0",
        keywords: [
            "pulumi",
            "riptides",
            "openai",
            "openbao",
            "vault",
            "spiffe",
            "category/infrastructure",
            "kind/native",
        ],
    };
    return `${JSON.stringify(packageSchema(about, configurationFields, tables), null, 4)}\n`;
}
