// SPDX-License-Identifier: Apache-2.0
import type { Lab } from "./lab";

/** A value as one word of a POSIX shell. */
export function quote(value: string): string {
    return /^[A-Za-z0-9_@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

/** The command line that opens a shell on the node, its host key checked. */
export function sshCommand(lab: Pick<Lab, "dir" | "node">): string[] {
    const { node } = lab;
    const options = [
        `UserKnownHostsFile=${lab.dir}/known_hosts`,
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
    ];
    return [
        ...["ssh", "-F", "none", "-i", node.privateKeyFile, "-p", String(node.sshPort)],
        ...options.flatMap((option) => ["-o", option]),
        `${node.user}@${node.host}`,
    ];
}

/** The line of a known_hosts file for the node. */
export function knownHosts(lab: Pick<Lab, "node">): string {
    return `[${lab.node.host}]:${lab.node.sshPort} ${lab.node.hostKey}\n`;
}

/** Shell exports for working by hand: `eval "$(npm run --silent lab -- env)"`. Holds the lab's tokens. */
export function exportsOf(lab: Lab): string {
    const variables: Record<string, string> = {
        VAULT_ADDR: lab.bao.address,
        VAULT_TOKEN: lab.bao.token,
        VAULT_CACERT: lab.bao.caFile,
        BAO_ADDR: lab.bao.address,
        BAO_TOKEN: lab.bao.token,
        BAO_CACERT: lab.bao.caFile,
        KUBECONFIG: lab.kube.kubeconfigFile,
        RIPTIDES_LAB_DIR: lab.dir,
        RIPTIDES_LAB_SSH: sshCommand(lab).map(quote).join(" "),
        RIPTIDES_NODE_HOST_KEY: lab.node.hostKey,
        RIPTIDES_NODE_KEY_FILE: lab.node.privateKeyFile,
        OPENAI_SIMULATOR: lab.simulator.adminEndpoint,
        OPENAI_SIMULATOR_CONTROL: lab.simulator.control,
        OPENAI_SIMULATOR_ADMIN_KEY: lab.simulator.adminKey,
        OPENAI_SIMULATOR_ADMIN_KEY_ID: lab.simulator.adminKeyId,
        OPENAI_SIMULATOR_ORGANIZATION: lab.simulator.organizationId,
        OPENAI_SIMULATOR_PROJECT: lab.simulator.projectId,
        PULUMI: lab.tools.pulumi,
        BAO: lab.tools.bao,
    };
    const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`);
    return [...lines, `export PATH=${lab.pluginPath.map(quote).join(":")}:"$PATH"`, ""].join("\n");
}
