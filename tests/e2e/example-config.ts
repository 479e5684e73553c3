// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab";

/** Trust domain of the examples in the lab. */
export const trustDomain = "example.org";

/** Configuration of a program of examples/ for a lab: where OpenBao, the cluster and the node are, and what is added. */
export function stackConfig(
    lab: Lab,
    project: string,
    added: Record<string, string>,
    secrets: Record<string, string> = {},
): ConfigMap {
    const plain: Record<string, string> = {
        vaultAddress: lab.bao.addressFromNode,
        vaultCaBundle: lab.bao.caPem,
        clusterServer: lab.kube.serverFromNode,
        clusterCa: Buffer.from(lab.kube.caPem).toString("base64"),
        nodeHost: lab.node.host,
        nodePort: String(lab.node.sshPort),
        nodeHostKey: lab.node.hostKey,
        trustDomain,
        ...added,
    };
    const entries = (values: Record<string, string>, secret: boolean) =>
        Object.entries(values).map(([key, value]) => [`${project}:${key}`, { value, secret }] as const);
    return Object.fromEntries([
        ...entries(plain, false),
        ...entries({ nodePrivateKey: lab.node.privateKey, ...secrets }, true),
    ]);
}

/** What the programs with an OpenAI secrets engine want besides. */
export function openaiConfig(lab: Lab): Record<string, string> {
    return {
        organizationId: lab.simulator.organizationId,
        adminKeyId: lab.simulator.adminKeyId,
        projectId: lab.simulator.projectId,
        apiEndpoint: lab.simulator.adminEndpoint,
        pluginCommand: lab.pluginDirectory.command,
        pluginVersion: lab.pluginDirectory.version,
        pluginSha256: lab.pluginDirectory.sha256,
    };
}
