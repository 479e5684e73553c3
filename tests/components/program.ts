// SPDX-License-Identifier: Apache-2.0
import * as riptides from "../../components";

export const connection = { host: "192.0.2.1", privateKey: "canary-ssh-key", hostKey: "SHA256:host" };
export const cluster = { server: "https://192.0.2.2:6443", certificateAuthorityData: "Y2E=" };

/** The program of the README, with what a test wants to change. */
export function program(
    change: {
        engine?: Partial<riptides.OpenAISecretsEngineArgs>;
        node?: Partial<riptides.HostNodeAgentArgs>;
        access?: Partial<riptides.OpenAIAccessArgs>;
        resources?: riptides.RiptidesResourcesArgs;
        opts?: import("@pulumi/pulumi").ComponentResourceOptions;
    } = {},
) {
    const engine = new riptides.OpenAISecretsEngine(
        "openai",
        {
            organizationId: "org-1",
            adminApiKey: "canary-admin-key",
            adminApiKeyId: "key_1",
            plugin: { version: "0.1.0", command: "openai", sha256: "ab".repeat(32) },
            ...change.engine,
        },
        change.opts,
    );
    const resources = new riptides.RiptidesResources("riptides", change.resources, change.opts);
    const node = new riptides.HostNodeAgent(
        "gpu-1",
        { connection, cluster, resources, trustDomain: "example.org", ...change.node },
        change.opts,
    );
    const access = new riptides.OpenAIAccess(
        "ai-agent",
        {
            engine,
            node,
            projectId: "proj_1",
            process: { binaryPath: "/usr/local/bin/ai-agent", systemdUnit: "ai-agent.service" },
            vaultAddress: "https://bao.example.org:8200",
            ...change.access,
        },
        change.opts,
    );
    return { engine, resources, node, access };
}
