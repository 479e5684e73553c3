// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { credentialPath, RiptidesError, spiffeId, trustDomain, workloadId } from "../api";
import { checked, requireArguments } from "./check";
import { HostNodeAgent } from "./host-node-agent";
import { CredentialBinding, CredentialSource, Service, WorkloadIdentity } from "./kubernetes";
import { kubernetesName, mountPath, objectName } from "./names";
import { OpenAIKeyRole } from "./openai-key-role";
import { OpenAISecretsEngine } from "./openai-secrets-engine";
import { waiting, warnOfLostOptions } from "./options";
import { processSelector, type WorkloadProcess } from "./process-selector";
import { BindingStatus, type CredentialFile } from "./riptides";
import { RiptidesResources } from "./riptides-resources";
import { vaultAddress } from "./vault-address";
import { WorkloadJwtAuth } from "./workload-jwt-auth";

/** Names of the objects on OpenBao and the cluster. Each default is made from the component's name. */
export interface OpenAIAccessNames {
    /** Role of the engine. Default `<name>`. */
    role?: pulumi.Input<string>;
    /** Policy. Default `read-<name>-openai`. */
    policy?: pulumi.Input<string>;
    /** Mount of the JWT auth method, when `auth` is not given. Default `jwt-<name>`. */
    jwtMount?: pulumi.Input<string>;
    /** Role of the JWT auth method. Default `<name>`. */
    jwtRole?: pulumi.Input<string>;
    /** Default `<name>-openai`. */
    service?: pulumi.Input<string>;
    /** Default `<name>-openai`. */
    credentialSource?: pulumi.Input<string>;
    /** Default `<name>`. */
    workloadIdentity?: pulumi.Input<string>;
    /** Default `<name>-openai`. It is part of the file's path. */
    credentialBinding?: pulumi.Input<string>;
}

export interface OpenAIAccessArgs {
    /** The engine, or the path of one that is kept elsewhere. */
    engine: OpenAISecretsEngine | pulumi.Input<string>;
    /** The node on which the workload runs. */
    node: HostNodeAgent;
    /** OpenAI project of the keys, `proj_…`. */
    projectId: pulumi.Input<string>;
    /** Life of a key: `"15m"` (the default) or seconds. */
    ttl?: pulumi.Input<string | number>;
    /** Longest life of a key: `"1h"` (the default) or seconds. */
    maxTtl?: pulumi.Input<string | number>;
    /** Go template of the service accounts' names. Default `vault-{{.RoleName}}-{{.RandomSuffix}}`. */
    serviceAccountNameTemplate?: pulumi.Input<string>;
    /** Which processes get the key: all of the facts given must hold. */
    process: WorkloadProcess;
    /** How the key reaches them. Default `{ file: true }`, the one way of this version. */
    deliver?: { file: true };
    /** The cluster's definitions and namespace. Default: those of `node`. */
    resources?: RiptidesResources;
    /** Default: that of `node`. */
    trustDomain?: pulumi.Input<string>;
    /** Path of the workload's SPIFFE ID. Default: made from the component's name. */
    workloadId?: pulumi.Input<string>;
    /** A JWT auth method that trusts `node`. Default: one of its own. */
    auth?: WorkloadJwtAuth;
    /** URL of OpenBao as the node sees it. Default: that of the program's own environment. */
    vaultAddress?: pulumi.Input<string>;
    /** PEM certificates the node trusts for it. Default: the node's own store. */
    vaultCaBundle?: pulumi.Input<string>;
    /** Namespace of the OpenBao server. */
    vaultNamespace?: pulumi.Input<string>;
    /** Any text; a change makes the agent fetch a new key at once, before the old one is revoked. */
    refreshTrigger?: pulumi.Input<string>;
    /** How long the agent's FAILED may last before `up` ends with it. Default `30s`. */
    failureGrace?: pulumi.Input<string | number>;
    names?: OpenAIAccessNames;
}

/**
 * Everything that gives one AI agent its own OpenAI key: role, policy, JWT role, the custom resources and the wait for
 * the agent's report.
 */
export class OpenAIAccess extends pulumi.ComponentResource {
    /** `OK`, or `FAILED` after a refresh of a binding that went bad. */
    declare public readonly state: pulumi.Output<"OK" | "FAILED">;
    declare public readonly message: pulumi.Output<string | undefined>;
    /** One word of docs/errors.md, or `Spoofable`. */
    declare public readonly reason: pulumi.Output<string | undefined>;
    /** The key's file on the node; known in preview. */
    declare public readonly files: pulumi.Output<CredentialFile[]>;
    /** Path of the first of `files`; known in preview. */
    declare public readonly path: pulumi.Output<string>;
    declare public readonly spiffeId: pulumi.Output<string>;
    public readonly keyRole: OpenAIKeyRole;
    public readonly binding: CredentialBinding;
    public readonly status: BindingStatus;

    constructor(name: string, args: OpenAIAccessArgs, opts?: pulumi.ComponentResourceOptions) {
        const { engine, node, resources, auth } = requireArguments("OpenAIAccess", args, [
            "engine",
            "node",
            "projectId",
            "process",
        ]);
        super("riptides:components:OpenAIAccess", name, {}, opts);
        warnOfLostOptions(this, opts);
        requireFile(args.deliver);

        const workload = this.workload(name, args);
        const names = objectNames(name, args.names);
        this.spiffeId = workload.spiffeId;
        this.path = pulumi.all([workload.spiffeId, names.credentialBinding]).apply(([id, n]) => credentialPath(id, n));
        this.keyRole = new OpenAIKeyRole(
            `${name}-key`,
            {
                engine,
                projectId: args.projectId,
                roleName: names.role,
                policyName: names.policy,
                ttl: args.ttl ?? "15m",
                maxTtl: args.maxTtl ?? "1h",
                ...(args.serviceAccountNameTemplate === undefined
                    ? {}
                    : { serviceAccountNameTemplate: args.serviceAccountNameTemplate }),
            },
            { parent: this },
        );
        const trust =
            auth ??
            new WorkloadJwtAuth(
                `${name}-auth`,
                { agents: [node], trustDomain: workload.trustDomain, path: names.jwtMount },
                { parent: this },
            );
        const login = trust.role(
            `${name}-login`,
            {
                roleName: names.jwtRole,
                workloadId: workload.id,
                policies: [this.keyRole.policyName],
                maxTtl: args.maxTtl ?? "1h",
                agentIds: [node.agentId],
            },
            { parent: this },
        );

        const cluster = resources ?? node.resources;
        const place = { parent: this, ...(cluster ? { dependsOn: [cluster] } : {}) };
        const object = (objectName: pulumi.Input<string>) => ({ name: objectName, namespace: node.namespace });
        const service = new Service(
            `${name}-service`,
            {
                metadata: object(names.service),
                spec: {
                    labels: { api: "openai" },
                    addresses: [{ address: "api.openai.com", port: 443 }],
                    external: true,
                },
            },
            place,
        );
        const source = new CredentialSource(
            `${name}-source`,
            {
                metadata: object(names.credentialSource),
                spec: {
                    vault: {
                        address: vaultAddress(args.vaultAddress, this),
                        jwtAuthMethodPath: trust.path,
                        role: login.roleName,
                        path: this.keyRole.credentialPath,
                        audience: ["vault"],
                        ...(args.vaultCaBundle === undefined ? {} : { caBundle: args.vaultCaBundle }),
                        ...(args.vaultNamespace === undefined ? {} : { namespace: args.vaultNamespace }),
                    },
                },
            },
            place,
        );
        const identity = new WorkloadIdentity(
            `${name}-identity`,
            {
                metadata: object(names.workloadIdentity),
                spec: {
                    workloadID: workload.id,
                    scope: { agent: { id: node.workloadId } },
                    selectors: [processSelector(args.process)],
                },
            },
            place,
        );
        this.binding = new CredentialBinding(
            `${name}-binding`,
            {
                metadata: object(names.credentialBinding),
                spec: {
                    workloadID: workload.id,
                    credentialSource: source.metadata.name,
                    propagation: { sysfs: {} },
                    ...(args.refreshTrigger === undefined ? {} : { refreshTrigger: args.refreshTrigger }),
                },
            },
            // Made last, so that the agent's first try finds everything; removed first, so that it can still revoke.
            { parent: this, dependsOn: [service, source, identity, login, this.keyRole] },
        );
        this.status = new BindingStatus(
            `${name}-status`,
            {
                namespace: node.namespace,
                name: this.binding.metadata.name,
                // A change of any of the three makes the agent work again, and the program wait for it again.
                generation: pulumi.interpolate`${generation(this.binding)}.${generation(source)}.${generation(identity)}`,
                ...(args.failureGrace === undefined ? {} : { failureGrace: args.failureGrace }),
            },
            { parent: this, dependsOn: [this.binding], ...waiting(opts) },
        );
        this.state = this.status.state;
        this.message = this.status.message;
        this.reason = this.status.reason;
        // In preview the agent has not reported yet, but the path is a pure function of the names.
        this.files = pulumi.runtime.isDryRun()
            ? this.path.apply((path): CredentialFile[] => [{ path, type: "CREDENTIAL" }])
            : this.status.files;
        this.registerOutputs({
            state: this.state,
            message: this.message,
            reason: this.reason,
            files: this.files,
            path: this.path,
            spiffeId: this.spiffeId,
        });
    }

    private workload(name: string, args: OpenAIAccessArgs) {
        const domain = checked<string, string>(args.trustDomain ?? args.node.trustDomain, (text) => trustDomain(text));
        const id = checked<string, string>(args.workloadId ?? objectName(name), (text) =>
            workloadId(text, "workloadId"),
        );
        return { trustDomain: domain, id, spiffeId: pulumi.all([domain, id]).apply(([d, w]) => spiffeId(d, w)) };
    }
}

function generation(object: CredentialBinding | CredentialSource | WorkloadIdentity): pulumi.Output<number> {
    return object.metadata.generation;
}

function requireFile(deliver: { file: true } | undefined): void {
    if (deliver && deliver.file !== true) {
        throw new RiptidesError("PropagationUnsupported", {
            property: "deliver",
            reason: "this version delivers a key as a file only",
            fix: "Write deliver: { file: true }, or leave it out.",
        });
    }
}

function objectNames(name: string, given: OpenAIAccessNames = {}) {
    const stem = objectName(name);
    const kubernetes = (key: keyof OpenAIAccessNames, standard: string) =>
        checked<string, string>(given[key] ?? standard, (text) => kubernetesName(text, `names.${key}`));
    return {
        role: given.role ?? stem,
        policy: given.policy ?? `read-${stem}-openai`,
        jwtMount: checked<string, string>(given.jwtMount ?? `jwt-${stem}`, (text) => mountPath(text, "names.jwtMount")),
        jwtRole: given.jwtRole ?? stem,
        service: kubernetes("service", `${stem}-openai`),
        credentialSource: kubernetes("credentialSource", `${stem}-openai`),
        workloadIdentity: kubernetes("workloadIdentity", stem),
        credentialBinding: kubernetes("credentialBinding", `${stem}-openai`),
    };
}
