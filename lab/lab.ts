// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostFromGuest } from "./certificates";
import { privateKeyFile } from "./guest";
import { kubeconfigFile } from "./kubernetes";
import { pluginDirectory } from "./openbao";
import { Ssh, type ExecOptions, type ExecResult } from "./ssh";
import type { GuestName, LabState } from "./state";

/** A lab that runs: where its parts are and how to speak to them. Addresses are without a trailing slash. */
export interface Lab {
    name: string;
    /** Directory of logs, keys and state; secrets in it have mode 0600. */
    dir: string;
    guest: GuestName;
    bao: { address: string; addressFromNode: string; token: string; unsealKey: string; caFile: string; caPem: string };
    kube: { server: string; serverFromNode: string; kubeconfigFile: string; caPem: string; token: string };
    simulator: {
        /** Base of the Admin API for OpenBao, "https://127.0.0.1:<port>/v1". */
        adminEndpoint: string;
        /** STS for OpenBao, which gives session credentials for the S3-like store. */
        stsEndpoint: string;
        /** Base of the control API, "http://127.0.0.1:<port>/control". */
        control: string;
        adminKey: string;
        adminKeyId: string;
        organizationId: string;
        projectId: string;
    };
    node: LabNode;
    /** OpenBao's plugin_directory, with the engine of this checkout in it as `command`. */
    pluginDirectory: { path: string; command: string; sha256: string; version: string };
    tools: LabState["tools"];
    /** Directories for PATH in which Pulumi finds the Vault and Kubernetes plugins. */
    pluginPath: string[];
}

export interface LabNode {
    host: "127.0.0.1";
    sshPort: number;
    user: "root";
    privateKeyFile: string;
    privateKey: string;
    /** OpenSSH public key line, "ssh-ed25519 AAAA…". */
    hostKey: string;
    kernelRelease: string;
    /** Runs a command line as root on the node; resolves for any exit status. */
    exec(command: string, options?: ExecOptions): Promise<ExecResult>;
    /** Copies a file to the node, keeping its permission bits. */
    upload(local: string, remote: string): Promise<void>;
    /** Ends the connection; the next command opens a new one. */
    disconnect(): void;
}

/** What a directory's state says, as a Lab. */
export function labOf(directory: string, state: LabState): Lab {
    const { ports } = state;
    const caFile = join(directory, "certs", "ca.crt");
    const caPem = readFileSync(caFile, "utf8");
    return {
        name: state.name,
        dir: directory,
        guest: state.guest,
        bao: {
            ...state.bao,
            address: `https://127.0.0.1:${ports.bao}`,
            addressFromNode: `https://${hostFromGuest}:${ports.bao}`,
            caFile,
            caPem,
        },
        kube: {
            ...state.kube,
            server: `https://127.0.0.1:${ports.kube}`,
            serverFromNode: `https://${hostFromGuest}:${ports.kube}`,
            kubeconfigFile: kubeconfigFile(directory),
            caPem,
        },
        simulator: {
            ...state.simulator,
            adminEndpoint: `https://127.0.0.1:${ports.simulatorTls}/v1`,
            stsEndpoint: `https://127.0.0.1:${ports.simulatorTls}/sts`,
            control: `http://127.0.0.1:${ports.control}/control`,
        },
        node: nodeOf(directory, state),
        pluginDirectory: { path: pluginDirectory(directory), ...state.engine },
        tools: state.tools,
        pluginPath: state.pluginPath,
    };
}

function nodeOf(directory: string, state: LabState): LabNode {
    const keyFile = privateKeyFile(directory);
    const target = {
        host: "127.0.0.1" as const,
        user: "root" as const,
        port: state.ports.ssh,
        privateKey: readFileSync(keyFile, "utf8"),
        hostKey: state.node.hostKey,
    };
    const ssh = new Ssh(target);
    return {
        host: target.host,
        sshPort: target.port,
        user: target.user,
        privateKeyFile: keyFile,
        privateKey: target.privateKey,
        hostKey: target.hostKey,
        kernelRelease: state.node.kernelRelease,
        exec: (command, options) => ssh.exec(command, options),
        upload: (local, remote) => ssh.upload(local, remote),
        disconnect: () => ssh.close(),
    };
}
