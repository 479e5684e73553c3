// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "./failure";

/** A rule of an OpenBao policy. */
export interface PolicyRule {
    path: string;
    capabilities: ("create" | "read" | "update" | "patch" | "delete" | "list" | "sudo" | "deny")[];
}

/** Canonical HCL of a policy: one block a rule, in the order given, as the server reads it back. */
export function policyHcl(rules: readonly PolicyRule[]): string {
    return rules.map(ruleHcl).join("\n");
}

function ruleHcl({ path, capabilities }: PolicyRule): string {
    if (!/^[^"\\\s${}]+$/.test(path)) {
        throw new RiptidesError("InvalidProperty", {
            property: "path",
            reason: `${JSON.stringify(path)} is not a policy path`,
            fix: "Use a path without spaces, quotes or templates.",
        });
    }
    return `path "${path}" {\n  capabilities = [${capabilities.map((name) => `"${name}"`).join(", ")}]\n}\n`;
}

/**
 * What a workload's two-use token may do: read one credential path, and end itself.
 * @param credentialPath for example `openai/creds/my-role`
 */
export function credentialPolicy(credentialPath: string): string {
    return policyHcl([
        { path: credentialPath, capabilities: ["read"] },
        { path: "auth/token/revoke-self", capabilities: ["update"] },
    ]);
}
