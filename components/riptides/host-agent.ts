// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { requireArguments } from "../check";
import { resourceOptions, secret } from "./options";

/** How to reach a node by SSH. */
export interface NodeConnection {
    host: pulumi.Input<string>;
    /** Default 22. */
    port?: pulumi.Input<number>;
    /** Default `root`; another user needs `sudo` without a password. */
    user?: pulumi.Input<string>;
    /** OpenSSH or PEM text of the private key; kept secret. */
    privateKey: pulumi.Input<string>;
    /** The node's public host key (a line of `known_hosts` without the host, or a `SHA256:…` fingerprint). */
    hostKey: pulumi.Input<string>;
}

/** The Kubernetes API as the node sees it. */
export interface NodeCluster {
    /** For example `https://10.0.0.10:6443`. */
    server: pulumi.Input<string>;
    /** PEM certificates of its authority, in base64 as in a kubeconfig. */
    certificateAuthorityData: pulumi.Input<string>;
    /** Service-account token of the agent; kept secret, and sealed on the node. */
    token: pulumi.Input<string>;
}

export interface HostAgentArgs {
    connection: NodeConnection;
    trustDomain: pulumi.Input<string>;
    /** Namespace of the custom resources. */
    namespace: pulumi.Input<string>;
    cluster: NodeCluster;
    /** Folder with agent.js, the unit and the module's sources. Default: the one shipped with the plugin. */
    bundleDir?: pulumi.Input<string>;
    /** Folder with `<kernel release>/riptides.ko`, looked into before a build on the node. */
    moduleDir?: pulumi.Input<string>;
    /** How long to wait until the agent has registered itself, for example `2m`. */
    readyTimeout?: pulumi.Input<string | number>;
}

/** Node agent and kernel module, installed over SSH and removed whole (`riptides:node:HostAgent`). */
export class HostAgent extends pulumi.CustomResource {
    /** UUID that the agent gave itself on the node. */
    declare public readonly agentId: pulumi.Output<string>;
    /** The agent's public key, SPKI PEM. The private half never leaves the node. */
    declare public readonly publicKey: pulumi.Output<string>;
    /** `riptides/daemon/<agentId>`: what `scope.agent.id` of a WorkloadIdentity names. */
    declare public readonly workloadId: pulumi.Output<string>;
    declare public readonly hostname: pulumi.Output<string>;
    declare public readonly kernelRelease: pulumi.Output<string>;
    declare public readonly moduleVersion: pulumi.Output<string>;
    declare public readonly agentVersion: pulumi.Output<string>;
    declare public readonly bundleSha256: pulumi.Output<string>;
    /** `running`, or what a refresh found wrong. */
    declare public readonly condition: pulumi.Output<string>;
    /** UUID of the installation. */
    declare public readonly installation: pulumi.Output<string>;
    declare public readonly trustDomain: pulumi.Output<string>;
    declare public readonly namespace: pulumi.Output<string>;

    constructor(name: string, args: HostAgentArgs, opts?: pulumi.CustomResourceOptions) {
        requireArguments("node.HostAgent", args, ["connection", "trustDomain", "namespace", "cluster"]);
        // Only the secret fields are secret: a changed host or port must show in a preview.
        const inputs = {
            ...args,
            connection: { ...args.connection, privateKey: secret(args.connection.privateKey) },
            cluster: { ...args.cluster, token: secret(args.cluster.token) },
            agentId: undefined,
            publicKey: undefined,
            workloadId: undefined,
            hostname: undefined,
            kernelRelease: undefined,
            moduleVersion: undefined,
            agentVersion: undefined,
            bundleSha256: undefined,
            condition: undefined,
            installation: undefined,
        };
        super("riptides:node:HostAgent", name, inputs, resourceOptions(opts));
    }
}
