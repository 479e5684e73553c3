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

// The AI agent: a program at this path, run by this unit. It speaks plain HTTP to http://api.openai.com:443; the kernel carries
// its requests over TLS and adds the key. These requests may leave, and no others.
const access = new riptides.OpenAIAccess("wire-agent", {
    engine,
    node,
    projectId: config.require("projectId"),
    ttl: config.get("ttl") ?? "15m",
    maxTtl: config.get("maxTtl") ?? "1h",
    process: { binaryPath: "/usr/local/bin/wire-agent", systemdUnit: "wire-agent.service" },
    deliver: {
        wire: {
            allow: [
                { methods: ["GET"], pathPrefixes: ["/v1/models"] },
                { methods: ["POST"], pathPrefixes: ["/v1/chat/completions"] },
            ],
        },
    },
    vaultAddress: config.require("vaultAddress"),
    vaultCaBundle: config.get("vaultCaBundle"),
    refreshTrigger: config.get("refreshTrigger"),
});

/** OK when the kernel holds the key. */
export const state = access.state;
/** Where the kernel adds it: host and port. */
export const injection = access.injection;
export const agentId = node.agentId;
export const kernelRelease = node.kernelRelease;
export const moduleVersion = node.moduleVersion;
