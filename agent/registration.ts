// SPDX-License-Identifier: Apache-2.0
import { daemonWorkloadId, DaemonStatus } from "../api";
import { clusterBackOff, delayMs } from "./back-off";
import type { Cancel, Clock } from "./clock";
import type { Cluster } from "./cluster";
import type { Host } from "./host";
import type { Kernel } from "./kernel";
import { failureFields, Log } from "./log";
import { agentVersion } from "./version";

const probeMs = 60_000;
// News, such as a denial, is shown soon, and a flood of it seldom.
const newsMs = 2_000;

/** What the Daemon object says about the node. */
export interface RegistrationContext {
    agentId: string;
    publicKey: string;
    cluster: Cluster;
    host: Host;
    kernel: Kernel;
    clock: Clock;
    log: Log;
}

/** Keeps the agent's Daemon object: created at start, probed about once a minute. */
export class Registration {
    private timer?: Cancel;
    private stopped = false;
    private failures = 0;
    private writing = false;
    private hasNews = false;
    private lastNewsMs = -Infinity;

    constructor(
        private readonly context: RegistrationContext,
        private readonly onRegistered: () => void,
        private readonly onFault: (fault: unknown) => void,
    ) {}

    start(): void {
        void this.write();
    }

    stop(): void {
        this.stopped = true;
        this.timer?.();
    }

    /** The counters have changed. */
    news(): void {
        const { clock } = this.context;
        if (this.hasNews || this.stopped || this.failures > 0) {
            return;
        }
        this.hasNews = true;
        const waitMs = Math.max(newsMs, this.lastNewsMs + 5 * newsMs - clock.now());
        clock.after(waitMs, () => {
            this.hasNews = false;
            this.lastNewsMs = clock.now();
            void this.write();
        });
    }

    private async write(): Promise<void> {
        const { agentId, cluster, clock, log } = this.context;
        if (this.stopped || this.writing) {
            return;
        }
        this.timer?.();
        this.writing = true;
        try {
            const spec = { workloadID: daemonWorkloadId(agentId), claimerType: "JWT" as const };
            await cluster.writeDaemon(agentId, spec, await this.status());
            if (this.failures > 0) {
                this.failures = 0;
                this.onFault(undefined);
            }
            this.onRegistered();
            this.later(probeMs * (1 - clock.random() / 10));
        } catch (error) {
            this.failures++;
            if (this.failures === 1) {
                log.warning("the Daemon could not be written yet", failureFields(error));
            }
            this.onFault(error);
            this.later(delayMs(clusterBackOff, this.failures, clock));
        } finally {
            this.writing = false;
        }
    }

    private later(waitMs: number): void {
        if (!this.stopped) {
            this.timer = this.context.clock.after(waitMs, () => void this.write());
        }
    }

    private async status(): Promise<DaemonStatus> {
        const { clock, host, kernel, publicKey } = this.context;
        const stats = await kernel.stats();
        const denials = Object.values(stats.denied).reduce((sum, count) => sum + count, 0n);
        return {
            health: { daemonHealth: "ok", driverHealth: "ok", lastProbeAt: new Date(clock.now()).toISOString() },
            metadata: [
                { name: "node:hostname", value: host.hostname },
                { name: "linuxos:kernel:release", value: host.kernelRelease },
                { name: "riptides:agent:version", value: agentVersion },
                { name: "riptides:agent:publickey", value: publicKey },
                { name: "riptides:module:version", value: kernel.moduleVersion },
                { name: "riptides:bindings", value: String(stats.bindings) },
                { name: "riptides:credentials", value: String(stats.contents) },
                { name: "riptides:grants", value: String(stats.grants) },
                { name: "riptides:denials", value: String(denials) },
                { name: "riptides:injections", value: String(stats.injections) },
                { name: "riptides:injected", value: String(stats.wire.injected) },
                { name: "riptides:refused", value: String(stats.wire.refused) },
                { name: "riptides:connections", value: String(stats.connections) },
                { name: "riptides:tlshelper", value: stats.helper ? "connected" : "absent" },
            ],
        };
    }
}
