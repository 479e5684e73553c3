// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import * as riptides from "pulumi-riptides";

const config = new pulumi.Config();

// The secrets engine of OpenBao: the one place that holds the admin key.
const engine = new riptides.OpenAISecretsEngine("openai", {
    organizationId: config.require("organizationId"),
    adminApiKey: config.requireSecret("adminKey"),
    adminApiKeyId: config.require("adminKeyId"),
    apiEndpoint: config.get("apiEndpoint"),
    plugin: {
        version: config.get("pluginVersion"),
        command: config.get("pluginCommand"),
        sha256: config.get("pluginSha256"),
    },
});

// What the cluster needs once.
const resources = new riptides.RiptidesResources("riptides");

// The host: agent and kernel module.
const node = new riptides.HostNodeAgent("node", {
    resources,
    trustDomain: config.get("trustDomain"),
    connection: {
        host: config.require("nodeHost"),
        port: config.getNumber("nodePort"),
        user: config.get("nodeUser"),
        hostKey: config.require("nodeHostKey"),
        privateKey: config.requireSecret("nodePrivateKey"),
    },
    cluster: {
        server: config.require("clusterServer"),
        certificateAuthorityData: config.require("clusterCa"),
    },
    moduleDir: config.get("moduleDir"),
});

// The AI agent: a program at this path, run by this unit. Nothing else on the host can read its key.
const access = new riptides.OpenAIAccess("ai-agent", {
    engine,
    node,
    projectId: config.require("projectId"),
    ttl: config.get("ttl") ?? "15m",
    maxTtl: config.get("maxTtl") ?? "1h",
    serviceAccountNameTemplate: "vault-{{.RoleName}}-{{.RandomSuffix}}",
    process: { binaryPath: "/usr/local/bin/ai-agent", systemdUnit: "ai-agent.service" },
    deliver: { file: true },
    vaultAddress: config.require("vaultAddress"),
    vaultCaBundle: config.get("vaultCaBundle"),
    refreshTrigger: config.get("refreshTrigger"),
    names: {
        role: "my-role",
        policy: "read-openai-apikeys",
        jwtMount: "jwt",
        jwtRole: "openai-apikeys",
        service: "openai-api",
        credentialSource: "vault-openai-apikeys",
        workloadIdentity: "ai-agent",
        credentialBinding: "vault-openai-apikeys-binding",
    },
});

/** OK when the key is in place. */
export const state = access.state;
/** Where the AI agent reads it. */
export const files = access.files;
export const agentId = node.agentId;
export const kernelRelease = node.kernelRelease;
export const moduleVersion = node.moduleVersion;
