// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { RiptidesError } from "./failure";

/** Namespace of our name-based UUIDs (RFC 9562 section 5.5): UUIDv5 of the DNS namespace and `credentials.core.riptides.io`. */
export const credentialNamespace = "573a25be-8b5f-5c50-837e-9bbb2db38ed0";

/** Where the kernel module shows credentials on a node. */
export const credentialRoot = "/sys/module/riptides/credentials";

/** Longest name of a CredentialBinding in octets: `crb-<name>` is a file name of at most 255. */
export const maximumBindingName = 251;

/** Name-based UUID, version 5 (SHA-1), of a name in a namespace given as a UUID. */
export function uuidV5(namespace: string, name: string): string {
    const digest = createHash("sha1")
        .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
        .update(name, "utf8")
        .digest()
        .subarray(0, 16);
    digest[6] = (digest[6]! & 0x0f) | 0x50;
    digest[8] = (digest[8]! & 0x3f) | 0x80;
    const hex = digest.toString("hex");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The UUID of a workload's directory: a pure function of its SPIFFE ID, so a path is known in preview. */
export function workloadUuid(spiffeId: string): string {
    return uuidV5(credentialNamespace, spiffeId);
}

/** Absolute path of the credential file of a binding on its node. */
export function credentialPath(spiffeId: string, binding: string): string {
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(binding) || binding.length > maximumBindingName) {
        throw new RiptidesError("InvalidProperty", {
            property: "name",
            reason: `${JSON.stringify(binding)} is not a name for a CredentialBinding`,
            fix: `Use lower-case letters, digits, - and ., at most ${maximumBindingName} octets.`,
        });
    }
    return `${credentialRoot}/${workloadUuid(spiffeId)}/crb-${binding}/vault.json`;
}
