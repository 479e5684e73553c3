// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { credentialPath, spiffeId, trustDomain, workloadId } from "../api";
import { checked, requireArguments } from "./check";
import { propagation, type KeyDelivery } from "./delivery";
import { HostNodeAgent } from "./host-node-agent";
import { CredentialBinding, CredentialSource, Service, WorkloadIdentity } from "./kubernetes";
import { injectFor } from "./injected-process";
import { kubernetesName, mountPath, objectName } from "./names";
import { OpenAIKeyRole } from "./openai-key-role";
import { OpenAISecretsEngine } from "./openai-secrets-engine";
import { waiting, warnOfLostOptions } from "./options";
import { processSelector, type WorkloadProcess } from "./process-selector";
import { BindingStatus, type CredentialFile, type Injection } from "./riptides";
import { RiptidesResources } from "./riptides-resources";
import { vaultAddress } from "./vault-address";
import { WorkloadJwtAuth } from "./workload-jwt-auth";

const host = "api.openai.com";
const port = 443;

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
    /** How the key reaches them. Default `{ file: true }`. */
    deliver?: KeyDelivery;
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
    /** One word of docs/errors.md. */
    declare public readonly reason: pulumi.Output<string | undefined>;
    /** The key's file on the node, none when it is only injected; known in preview. */
    declare public readonly files: pulumi.Output<CredentialFile[]>;
    /** Path of the first of `files`, else empty; known in preview. */
    declare public readonly path: pulumi.Output<string>;
    /** Where the key is injected, undefined when it is only a file; known in preview. */
    declare public readonly injection: pulumi.Output<Injection | undefined>;
    /** `baseURL` for the process's client: plain HTTP to the TLS port when the key is injected. Known in preview. */
    declare public readonly baseUrl: pulumi.Output<string>;
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
        const names = objectNames(name, args.names);
        const labels = { api: "openai" };
        // Other accesses have a Service of the same host: a binding means its own.
        const deliver = propagation(args.deliver ?? { file: true }, { ...labels, service: names.service });
        const selector = processSelector(args.process);
        const selectors = deliver.wire
            ? injectFor(name, node, args.process, `${host}:${port}`).apply(() => [selector])
            : [selector];
        const workload = this.workload(name, args);
        this.spiffeId = workload.spiffeId;
        this.path = deliver.file
            ? pulumi.all([workload.spiffeId, names.credentialBinding]).apply(([id, n]) => credentialPath(id, n))
            : pulumi.output("");
        this.baseUrl = pulumi.output(deliver.wire ? `http://${host}:${port}/v1` : `https://${host}/v1`);
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
                    labels: deliver.wire ? { ...labels, service: names.service } : labels,
                    addresses: [{ address: host, port }],
                    external: true,
                    ...(deliver.wire?.caBundle === undefined ? {} : { caBundle: deliver.wire.caBundle }),
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
                    selectors,
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
                    propagation: deliver.spec,
                    ...(args.refreshTrigger === undefined ? {} : { refreshTrigger: args.refreshTrigger }),
                },
            },
            {
                parent: this,
                // Made last, so that the agent's first try finds everything; removed first, so that it can still revoke.
                dependsOn: [service, source, identity, login, this.keyRole],
                // Under a new name it is refused as long as the old one injects.
                ...(deliver.wire ? { deleteBeforeReplace: true } : {}),
            },
        );
        this.status = new BindingStatus(
            `${name}-status`,
            {
                namespace: node.namespace,
                name: this.binding.metadata.name,
                // A change of any of these makes the agent work again, and the program wait for it again.
                generation: pulumi
                    .all([this.binding, source, identity, ...(deliver.wire ? [service] : [])].map(generation))
                    .apply((generations) => generations.join(".")),
                ...(args.failureGrace === undefined ? {} : { failureGrace: args.failureGrace }),
            },
            { parent: this, dependsOn: [this.binding], ...waiting(opts) },
        );
        this.state = this.status.state;
        this.message = this.status.message;
        this.reason = this.status.reason;
        // In preview the agent has not reported yet, but path and hosts are pure functions of the names.
        const isPreview = pulumi.runtime.isDryRun();
        this.files = isPreview
            ? this.path.apply((path): CredentialFile[] => (deliver.file ? [{ path, type: "CREDENTIAL" }] : []))
            : this.status.files;
        this.injection = isPreview
            ? pulumi.output(deliver.wire ? { services: [{ host, port }] } : undefined)
            : this.status.injection;
        this.registerOutputs({
            state: this.state,
            message: this.message,
            reason: this.reason,
            files: this.files,
            path: this.path,
            injection: this.injection,
            baseUrl: this.baseUrl,
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

function generation(object: CredentialBinding | CredentialSource | Service | WorkloadIdentity): pulumi.Output<number> {
    return object.metadata.generation;
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
