// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount";
import { Role } from "@pulumi/kubernetes/rbac/v1/role";
import { RoleBinding } from "@pulumi/kubernetes/rbac/v1/roleBinding";
import { defaultNamespace, group, RiptidesError, trustDomain } from "../api";
import { checked, missing, requireArguments } from "./check";
import { currentCluster } from "./kubeconfig";
import { objectName } from "./names";
import { waiting, warnOfLostOptions } from "./options";
import { node } from "./riptides";
import { RiptidesResources } from "./riptides-resources";

/** Trust domain of a node that names none. Trust comes from the keys that a JWT auth method lists, not from this name. */
export const defaultTrustDomain = "riptides.internal";

export interface HostNodeAgentArgs {
    connection: node.NodeConnection;
    /** Trust domain of the node's workloads. Default `riptides.internal`. */
    trustDomain?: pulumi.Input<string>;
    /** The cluster's definitions and namespace, when this program keeps them. */
    resources?: RiptidesResources;
    /** Namespace of the custom resources. Default: that of `resources`, else `riptides-system`. */
    namespace?: pulumi.Input<string>;
    /** The Kubernetes API as the node sees it. Default: that of the current kubeconfig. */
    cluster?: { server: pulumi.Input<string>; certificateAuthorityData: pulumi.Input<string> };
    /** Folder with the agent's bundle. Default: the one shipped with the plugin. */
    bundleDir?: pulumi.Input<string>;
    /** Folder with `<kernel release>/riptides.ko`, looked into before a build on the node. */
    moduleDir?: pulumi.Input<string>;
    /** How long to wait until the agent has registered itself, for example `2m`. */
    readyTimeout?: pulumi.Input<string | number>;
}

/** What the agent may do on the cluster, and nothing more. */
function agentRules() {
    const rule = (resources: string[], verbs: string[]) => ({ apiGroups: [group], resources, verbs });
    return [
        rule(["services", "credentialsources", "workloadidentitys", "credentialbindings"], ["get", "list", "watch"]),
        rule(["credentialbindings/status"], ["patch"]),
        rule(["daemons"], ["get", "create", "patch", "delete"]),
        rule(["daemons/status"], ["patch"]),
    ];
}

/** A host with the node agent and the kernel module, and the agent's own service account. */
export class HostNodeAgent extends pulumi.ComponentResource {
    /** UUID that the agent gave itself. */
    declare public readonly agentId: pulumi.Output<string>;
    /** Public key of the agent, SPKI PEM. */
    declare public readonly publicKey: pulumi.Output<string>;
    /** `riptides/daemon/<agentId>`. */
    declare public readonly workloadId: pulumi.Output<string>;
    declare public readonly hostname: pulumi.Output<string>;
    declare public readonly kernelRelease: pulumi.Output<string>;
    declare public readonly moduleVersion: pulumi.Output<string>;
    declare public readonly agentVersion: pulumi.Output<string>;
    declare public readonly trustDomain: pulumi.Output<string>;
    declare public readonly namespace: pulumi.Output<string>;
    public readonly resources: RiptidesResources | undefined;
    public readonly agent: node.HostAgent;

    constructor(name: string, args: HostNodeAgentArgs, opts?: pulumi.ComponentResourceOptions) {
        const { resources, connection } = requireArguments("HostNodeAgent", args, ["connection"]);
        requireArguments("connection", connection, ["host", "privateKey", "hostKey"]);
        super("riptides:components:HostNodeAgent", name, {}, opts);
        warnOfLostOptions(this, opts);

        this.resources = resources;
        this.trustDomain = checked<string, string>(args.trustDomain ?? defaultTrustDomain, (text) => trustDomain(text));
        this.namespace = pulumi.output(args.namespace ?? resources?.namespace ?? defaultNamespace);
        const account = new AgentAccount(name, this.namespace, this, resources);
        this.agent = new node.HostAgent(
            `${name}-agent`,
            {
                connection,
                trustDomain: this.trustDomain,
                namespace: this.namespace,
                cluster: { ...(args.cluster ?? this.clusterOfKubeconfig()), token: account.token },
                ...(args.bundleDir === undefined ? {} : { bundleDir: args.bundleDir }),
                ...(args.moduleDir === undefined ? {} : { moduleDir: args.moduleDir }),
                ...(args.readyTimeout === undefined ? {} : { readyTimeout: args.readyTimeout }),
            },
            {
                parent: this,
                dependsOn: [account.binding, ...(resources ? [resources] : [])],
                ...waiting(opts),
            },
        );
        this.agentId = this.agent.agentId;
        this.publicKey = this.agent.publicKey;
        this.workloadId = this.agent.workloadId;
        this.hostname = this.agent.hostname;
        this.kernelRelease = this.agent.kernelRelease;
        this.moduleVersion = this.agent.moduleVersion;
        this.agentVersion = this.agent.agentVersion;
        this.registerOutputs({
            agentId: this.agentId,
            publicKey: this.publicKey,
            workloadId: this.workloadId,
            hostname: this.hostname,
            kernelRelease: this.kernelRelease,
            moduleVersion: this.moduleVersion,
            agentVersion: this.agentVersion,
            trustDomain: this.trustDomain,
            namespace: this.namespace,
        });
    }

    private clusterOfKubeconfig() {
        // An explicit provider may speak to another cluster than the current kubeconfig names.
        if (this.getProvider("kubernetes::")) {
            throw missing(
                "cluster",
                "an explicit kubernetes.Provider is in use, so the current kubeconfig may be of another cluster",
                "Set cluster.server and cluster.certificateAuthorityData to what the node should use.",
            );
        }
        return currentCluster();
    }
}

/** The service account of one agent, its rights and its token. */
class AgentAccount {
    readonly binding: RoleBinding;
    readonly token: pulumi.Output<string>;

    constructor(
        name: string,
        namespace: pulumi.Output<string>,
        parent: pulumi.Resource,
        resources: RiptidesResources | undefined,
    ) {
        const opts = { parent, ...(resources ? { dependsOn: [resources] } : {}) };
        const metadata = { name: `riptides-agent-${objectName(name)}`, namespace };
        const account = new ServiceAccount(`${name}-service-account`, { metadata }, opts);
        const role = new Role(`${name}-role`, { metadata, rules: agentRules() }, opts);
        this.binding = new RoleBinding(
            `${name}-role-binding`,
            {
                metadata,
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace }],
            },
            { parent },
        );
        const secret = new Secret(
            `${name}-token`,
            {
                metadata: {
                    name: `${metadata.name}-token`,
                    namespace,
                    annotations: { "kubernetes.io/service-account.name": account.metadata.name },
                },
                type: "kubernetes.io/service-account-token",
            },
            { parent },
        );
        this.token = pulumi.secret(secret.data.apply((data) => tokenOf(data)));
    }
}

function tokenOf(data: Record<string, string> | undefined): string {
    const token = data?.["token"];
    if (!token) {
        throw new RiptidesError("ClusterDenied", {
            property: "cluster",
            reason: "the cluster put no token into the Secret of the agent's service account",
            fix: "Check that kube-controller-manager runs with its token controller, then run pulumi refresh and pulumi up.",
        });
    }
    return Buffer.from(token, "base64").toString("utf8");
}
