// SPDX-License-Identifier: Apache-2.0
import { daemonWorkloadId, messageOf, RiptidesError } from "../api";
import { clusterBackOff, delayMs } from "./back-off";
import type { Cancel, Clock } from "./clock";
import type { Cluster, ClusterView } from "./cluster";
import type { AgentConfiguration } from "./configuration";
import { Delivery, inherit } from "./delivery";
import { Exchange } from "./exchange";
import { FactTable, Resolution } from "./facts";
import type { Host } from "./host";
import { Kernel, KernelEvent, keyText } from "./kernel";
import { KernelTable, Looked, Put } from "./kernel-table";
import { bindingDigest, HeldToken } from "./held-token";
import { Ledger } from "./ledger";
import { failureFields, Log } from "./log";
import { Order, plan, Plan } from "./plan";
import { Reads } from "./reads";
import { Registration } from "./registration";
import { Revocations } from "./revocations";
import type { SigningKey } from "./signing-key";
import { deliveryReport, rejectionReport, Report, StatusWriter, wrongScopeReport } from "./status";
import type { TrustStores } from "./trust-stores";
import type { Vault } from "./vault";
import { WireReadiness } from "./wire-readiness";
import { Wires } from "./wires";

/** Everything the agent touches. */
export interface AgentParts {
    configuration: Pick<AgentConfiguration, "agentId" | "trustDomain">;
    key: Pick<SigningKey, "sign" | "publicKey">;
    clock: Clock;
    cluster: Cluster;
    host: Host;
    kernel: Kernel;
    trust: TrustStores;
    vault: Vault;
    log: Log;
}

// Changes come in bursts (a `pulumi up`, a list): one pass for each burst.
const gatherMs = 20;
// Renaming a new binary into place makes several events.
const settleMs = 100;
// For what no event tells: a unit that systemd loads by a generator, a file system that is mounted.
const askAgainMs = 15_000;
// A Daemon that registers at this moment may come a little after its WorkloadIdentity.
const scopeGraceMs = 2_000;

interface Served {
    order: Order;
    delivery: Delivery;
    unresolved: RiptidesError[];
}

/**
 * The node agent: what the cluster asks for (plan) is looked up on the node (facts), put in force in the kernel as one
 * table (commit), and kept supplied with credentials (deliveries); the outcome goes back as status.
 */
export class Agent {
    private readonly daemonId: string;
    private readonly ledger: Ledger;
    private readonly revocations: Revocations;
    private readonly exchange: Exchange;
    private readonly statuses: StatusWriter;
    private readonly reads: Reads;
    private readonly table: KernelTable;
    private readonly wires: Wires;
    private readonly readiness: WireReadiness;
    private readonly registration: Registration;
    private readonly served = new Map<string, Served>();
    private left = new Map<string, HeldToken>();
    private readonly scopesChecked = new Set<string>();
    private view?: ClusterView;
    private commitFailures = 0;
    private pass?: Cancel;
    private passDueMs = Infinity;
    private passing = false;
    private again = false;
    private registered = false;
    private fault = "";
    private stopped = false;

    constructor(private readonly parts: AgentParts) {
        const { configuration, key, clock, cluster, host, kernel, trust, vault, log } = parts;
        this.daemonId = daemonWorkloadId(configuration.agentId);
        this.ledger = new Ledger(kernel, log);
        this.revocations = new Revocations(vault, this.ledger, clock, log);
        this.exchange = new Exchange(vault, { key, ...configuration }, this.ledger, this.revocations, clock);
        this.statuses = new StatusWriter(cluster, clock, log);
        this.reads = new Reads(clock, log);
        this.table = new KernelTable(kernel, trust, log);
        this.wires = new Wires(clock, log, (binding) => this.served.get(binding)?.delivery.tell());
        this.readiness = new WireReadiness(kernel, host, clock, log, () =>
            this.served.forEach(({ order, delivery }) => order.wire && delivery.tell()),
        );
        this.registration = new Registration(
            { agentId: configuration.agentId, publicKey: key.publicKey, cluster, host, kernel, clock, log },
            () => this.onRegistered(),
            (fault) => this.waitsFor(fault),
        );
    }

    /** Takes over what an earlier agent left with the module, then follows the cluster until {@link Agent.stop}. */
    async start(): Promise<void> {
        const { cluster, kernel, log } = this.parts;
        kernel.onEvent((event) => this.onKernelEvent(event));
        this.ledger.restore(await kernel.kept());
        const { current, others } = inherit(this.ledger.all());
        this.left = current;
        // What was under way or already replaced when the earlier agent stopped.
        others.forEach((token) => this.revocations.end(token));
        log.info("started", { agent: this.daemonId, module: kernel.moduleVersion, credentials: current.size });
        this.registration.start();
        cluster.watch(
            (view) => {
                this.view = view;
                this.soon(gatherMs);
            },
            (fault) => this.waitsFor(fault),
        );
    }

    /** Leaves the kernel's table, the credentials and the tokens as they are, for the next agent. */
    async stop(): Promise<void> {
        const { cluster, host, kernel, vault, log } = this.parts;
        this.stopped = true;
        this.pass?.();
        this.registration.stop();
        this.statuses.stop();
        this.revocations.stop();
        this.wires.stop();
        this.readiness.stop();
        this.served.forEach(({ delivery }) => delivery.stop());
        cluster.close();
        host.close();
        vault.close();
        await kernel.close();
        log.info("stopped", { agent: this.daemonId });
    }

    private onKernelEvent(event: KernelEvent): void {
        if (event.kind === "wire") {
            this.wires.note(event);
        } else {
            this.reads.note(event);
        }
        if (event.kind === "expire") {
            const served = this.served.get(event.key.binding);
            if (served && keyText(served.order.key) === keyText(event.key)) {
                served.delivery.expired();
            }
        }
        this.registration.news();
    }

    private onRegistered(): void {
        if (!this.registered) {
            this.registered = true;
            this.parts.log.info("registered", { agent: this.daemonId });
            this.tellSystemd({ ready: true, status: "registered" });
        }
    }

    private waitsFor(fault: unknown): void {
        const text = fault === undefined ? "" : messageOf(fault);
        if (text === this.fault || this.stopped) {
            return;
        }
        this.fault = text;
        if (text) {
            this.parts.log.warning("the cluster is out of reach", failureFields(fault));
        }
        this.tellSystemd({ status: text || "serving" });
    }

    private tellSystemd(state: { ready?: boolean; status?: string }): void {
        this.parts.host.notify(state).catch((error: unknown) => {
            this.parts.log.warning("systemd could not be told", failureFields(error));
        });
    }

    /** Asks for a pass at most `waitMs` from now. */
    private soon(waitMs: number): void {
        const dueMs = this.parts.clock.now() + waitMs;
        if (this.stopped || dueMs >= this.passDueMs) {
            return;
        }
        this.pass?.();
        this.passDueMs = dueMs;
        this.pass = this.parts.clock.after(waitMs, () => {
            this.passDueMs = Infinity;
            void this.reconcile();
        });
    }

    private async reconcile(): Promise<void> {
        if (this.passing) {
            this.again = true;
            return;
        }
        this.passing = true;
        try {
            do {
                this.again = false;
                await this.passOnce();
            } while (this.again && !this.stopped);
        } catch (error) {
            this.parts.log.error("a pass failed", failureFields(error));
            this.soon(delayMs(clusterBackOff, ++this.commitFailures, this.parts.clock));
        } finally {
            this.passing = false;
        }
    }

    private async passOnce(): Promise<void> {
        if (!this.view) {
            return;
        }
        const { configuration, host } = this.parts;
        const planned = plan(this.view, configuration.trustDomain, this.daemonId);
        const facts = new FactTable(host);
        const resolved = await Promise.all(
            planned.orders.map(async (order) => ({ order, resolution: await facts.resolve(order.alternatives) })),
        );
        if (this.stopped) {
            return;
        }
        this.observe(planned, resolved);
        let put: Put;
        try {
            put = this.table.put(resolved);
            this.commitFailures = 0;
        } catch (error) {
            this.failAll(planned, error);
            throw error;
        }
        this.readiness.need(put.inForce.some(({ order }) => order.wire));
        this.supply(put.inForce);
        this.statuses.keep(this.view.bindings);
        this.report(planned, put);
    }

    /** Starts, changes and ends deliveries so that they are those of the table. */
    private supply(table: Looked[]): void {
        const { clock, kernel, log } = this.parts;
        const wanted = new Map(table.map((entry) => [entry.order.binding, entry]));
        for (const [binding, served] of this.served) {
            const next = wanted.get(binding);
            if (!next || keyText(next.order.key) !== keyText(served.order.key)) {
                served.delivery.end();
                this.served.delete(binding);
                this.reads.forget(served.order.key);
                this.wires.forget(served.order.key);
                log.info("ended", { binding });
            }
        }
        for (const [binding, { order, resolution }] of wanted) {
            const served = this.served.get(binding);
            if (order.wire) {
                this.wires.begin(order.key, this.view?.bindings.get(binding)?.status?.injection);
            }
            if (served) {
                served.order = order;
                served.unresolved = resolution.failures;
                served.delivery.update(order);
                continue;
            }
            const context = {
                kernel,
                clock,
                log,
                exchange: this.exchange,
                ledger: this.ledger,
                revocations: this.revocations,
            };
            const entry: Served = {
                order,
                unresolved: resolution.failures,
                delivery: new Delivery(order, context, (state) => {
                    const report = deliveryReport(state, this.daemonId, entry.unresolved, {
                        activity: this.wires.of(order.key),
                        readiness: this.readiness.state,
                    });
                    if (report && this.served.get(binding) === entry) {
                        this.tell(binding, report);
                    }
                }),
            };
            this.served.set(binding, entry);
            const digest = bindingDigest(order.key);
            const left = this.left.get(digest);
            this.left.delete(digest);
            entry.delivery.start(left);
        }
        // Bindings that went while no agent ran: the commit has wiped them.
        this.left.forEach((token) => this.revocations.end(token));
        this.left.clear();
    }

    private report(planned: Plan, { left }: Put): void {
        for (const rejection of planned.rejections) {
            this.tell(rejection.binding, rejectionReport(rejection, this.daemonId));
        }
        for (const { binding, generation } of planned.orders) {
            const failure = left.get(binding);
            if (failure) {
                this.tell(binding, rejectionReport({ binding, generation, failure, unowned: false }, this.daemonId));
            }
        }
        for (const foreign of planned.foreign) {
            this.statuses.forget(foreign.binding);
            void this.checkScope(foreign);
        }
    }

    private tell(binding: string, report: Report): void {
        const object = this.view?.bindings.get(binding);
        if (object) {
            this.statuses.report(binding, report, object);
        }
    }

    private failAll(planned: Plan, error: unknown): void {
        const failure =
            error instanceof RiptidesError ? error : new RiptidesError("KernelModule", { reason: messageOf(error) });
        for (const { binding, generation } of planned.orders) {
            this.tell(binding, rejectionReport({ binding, generation, failure, unowned: false }, this.daemonId));
        }
    }

    /** Looks again when something on the node changes that selectors speak of. */
    private observe(planned: Plan, resolved: { resolution: Resolution }[]): void {
        const selectors = planned.orders.flatMap((order) => order.alternatives.map(({ selector }) => selector));
        const named = (key: "process:binary:path" | "systemd:unit") =>
            selectors.flatMap((selector) => (selector[key] === undefined ? [] : [selector[key]]));
        try {
            this.parts.host.observe(named("process:binary:path"), named("systemd:unit"), () => this.soon(settleMs));
        } catch (error) {
            this.parts.log.warning("changes on the node cannot be followed", failureFields(error));
            this.soon(askAgainMs);
        }
        if (resolved.some(({ resolution }) => resolution.failures.length > 0)) {
            this.soon(askAgainMs);
        }
    }

    /** Says so when a workload's agent does not exist: no other agent would. */
    private async checkScope(foreign: Plan["foreign"][number]): Promise<void> {
        const { clock, cluster, log } = this.parts;
        const check = JSON.stringify(foreign);
        if (this.scopesChecked.has(check)) {
            return;
        }
        this.scopesChecked.add(check);
        await new Promise<void>((resolve) => clock.after(scopeGraceMs, resolve));
        try {
            const names = foreign.daemons.map((id) => id.split("/").pop() ?? "");
            const present = await Promise.all(names.map((name) => name !== "" && cluster.hasDaemon(name)));
            const now = this.view?.bindings.get(foreign.binding);
            if (!present.includes(true) && now?.generation === foreign.generation) {
                this.tell(foreign.binding, wrongScopeReport(foreign));
            }
        } catch (error) {
            this.scopesChecked.delete(check);
            log.warning("a scope could not be checked", { binding: foreign.binding, ...failureFields(error) });
        }
    }
}
