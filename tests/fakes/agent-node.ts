// SPDX-License-Identifier: Apache-2.0
import { Agent } from "../../agent/agent";
import { jsonLog } from "../../agent/log";
import {
    CredentialBindingSpec,
    CredentialSourceSpec,
    InjectionSpec,
    Secret,
    ServiceSpec,
    WorkloadIdentitySpec,
} from "../../api";
import { FakeClock } from "./agent-clock";
import { FakeCluster } from "./agent-cluster";
import { FakeHost } from "./agent-host";
import { FakeKernel } from "./agent-kernel";
import { FakeTrust } from "./agent-trust";
import { FakeVault } from "./agent-vault";

export const agentId = "6f1a7c1e-0d7e-4f39-9a55-0c6a1b6f2a10";
export const daemonId = `riptides/daemon/${agentId}`;
const binary = "/usr/local/bin/ai-agent";

/** A node with an agent, all of it fake, and what the tests say to it. */
export class FakeNode {
    readonly clock = new FakeClock();
    readonly vault = new FakeVault(this.clock);
    readonly kernel = new FakeKernel(this.clock);
    readonly host = new FakeHost();
    readonly trust = new FakeTrust();
    cluster = new FakeCluster();
    readonly lines: string[] = [];
    agent!: Agent;

    constructor() {
        this.host.executables.set(binary, { inode: 7n });
    }

    async start(): Promise<void> {
        this.agent = new Agent({
            configuration: { agentId, trustDomain: "example.org" },
            key: { sign: async () => new Secret("jwt"), publicKey: "-----BEGIN PUBLIC KEY-----" },
            clock: this.clock,
            cluster: this.cluster,
            host: this.host,
            kernel: this.kernel.reopen(),
            trust: this.trust,
            vault: this.vault,
            log: jsonLog((line) => this.lines.push(line)),
        });
        await this.agent.start();
        await this.clock.advance(100);
    }

    /** Stops the agent and starts a new one, on the same module and cluster. */
    async restart(between: () => void | Promise<void> = () => undefined): Promise<void> {
        await this.agent.stop();
        await between();
        await this.start();
    }

    source(name = "vault-keys", change: Partial<CredentialSourceSpec["vault"]> = {}): void {
        const vault = { address: "https://bao:8200", role: "openai-apikeys", path: "openai/creds/my-role", ...change };
        this.cluster.apply("sources", name, { vault });
    }

    identity(workload = "ai-agent", change: Partial<WorkloadIdentitySpec> = {}): void {
        const spec = {
            workloadID: workload,
            scope: { agent: { id: daemonId } },
            selectors: [{ "process:binary:path": binary }],
        };
        this.cluster.apply("identities", workload, { ...spec, ...change });
    }

    service(name = "openai", change: Partial<ServiceSpec> = {}): void {
        const addresses = [{ address: "api.openai.com", port: 443 }];
        this.cluster.apply("services", name, { labels: { api: "openai" }, addresses, ...change });
    }

    /** A binding that injects into the Services with the label `api: openai`. */
    wireBinding(
        name = "keys",
        injection: Partial<InjectionSpec> = {},
        more: Partial<CredentialBindingSpec> = {},
    ): void {
        const propagation = { injection: { selectors: [{ api: "openai" }], ...injection } };
        this.binding(name, { propagation, ...more });
    }

    /** Service, source, identity and binding, and an agent that has delivered on the wire. */
    async inject(injection: Partial<InjectionSpec> = {}): Promise<void> {
        this.service();
        this.source();
        this.identity();
        this.wireBinding("keys", injection);
        await this.start();
    }

    binding(name = "keys", change: Partial<CredentialBindingSpec> = {}): void {
        const spec = { workloadID: "ai-agent", credentialSource: "vault-keys", propagation: { sysfs: {} } };
        this.cluster.apply("bindings", name, { ...spec, ...change });
    }

    /** Source, identity and binding, and an agent that has delivered. */
    async deliver(): Promise<void> {
        this.source();
        this.identity();
        this.binding();
        await this.start();
    }

    /** The key that a bound process reads now. */
    key(binding = "keys"): string | undefined {
        return this.kernel.content(binding)?.api_key;
    }

    count(request: string): number {
        return this.vault.requests.filter((line) => line.startsWith(request)).length;
    }
}
