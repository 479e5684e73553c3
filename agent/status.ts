// SPDX-License-Identifier: Apache-2.0
import { catalogue, CredentialBindingStatus, RiptidesError, warnings, WarningCode } from "../api";
import { clusterBackOff, delayMs } from "./back-off";
import type { Cancel, Clock } from "./clock";
import type { Cluster } from "./cluster";
import type { DeliveryState } from "./delivery";
import { failureFields, Log } from "./log";
import type { WireOrder } from "./injection-plan";
import type { Foreign, Order, Rejection } from "./plan";
import { Slots } from "./slots";
import { quiet, WireActivity } from "./wire-activity";
import type { WireReadiness } from "./wire-readiness";

/** Status without its time: what decides whether it is written. */
export type Report = Omit<CredentialBindingStatus, "updateAt">;

/** Where the wire of a binding stands. */
export interface WireStanding {
    activity: WireActivity;
    /** Of the node; `undefined` until it is known. */
    readiness: WireReadiness["state"];
}

/** The status of a delivery; `undefined` before its first result. */
export function deliveryReport(
    state: DeliveryState,
    agent: string,
    unresolved: RiptidesError[],
    standing?: WireStanding,
): Report | undefined {
    const { order, expiresAtMs } = state;
    const alive = expiresAtMs !== undefined;
    const readiness = order.wire && standing ? standing.readiness : "ready";
    const failure = state.failure ?? (readiness instanceof RiptidesError ? readiness : undefined);
    if ((!alive && !failure) || (!failure && readiness === undefined)) {
        return undefined;
    }
    const until = alive ? new Date(expiresAtMs).toISOString() : undefined;
    const common = {
        observedGeneration: order.generation,
        agent,
        ...(alive ? { expiresAt: until } : {}),
        ...(alive && order.file !== undefined
            ? { sysfs: { files: [{ path: order.file, type: "CREDENTIAL" as const }] } }
            : {}),
        ...(alive && order.wire && standing ? { injection: injectionStatus(order.wire, standing.activity) } : {}),
    };
    if (failure) {
        const rest = alive ? `The credential in the kernel works until ${until}.` : "There is no credential now.";
        return { ...common, state: "FAILED", reason: failure.code, message: `${failure.message} ${rest}` };
    }
    const warned = warningsOf(order, standing?.activity);
    const notes = [
        ...warned.map(({ note }) => note),
        ...unresolved.map((missing) => `An alternative is not in force: ${missing.message}`),
        ...(order.wire?.notes ?? []),
    ];
    return {
        ...common,
        state: "OK",
        ...(warned[0] ? { reason: warned[0].code } : {}),
        message: notes.join(" ") || "delivered",
    };
}

/** What there is to know of a delivery that works; the first gives the status its word. */
function warningsOf(order: Order, activity: WireActivity = quiet): { code: WarningCode; note: string }[] {
    const found: { code: WarningCode; note: string }[] = [];
    if (order.spoofable) {
        found.push({ code: "Spoofable", note: spoofableNote });
    }
    if (order.wire && activity.ownTlsAtMs !== undefined) {
        found.push({
            code: "OwnTls",
            note: `this process brings its own TLS; nothing is injected. ${warnings.OwnTls.fix}`,
        });
    }
    if (order.wire && activity.handshake) {
        found.push({ code: "TlsHandshake", note: `${activity.handshake.text} ${warnings.TlsHandshake.fix}` });
    }
    return found;
}

function injectionStatus(
    { injections }: WireOrder,
    { injected, refused, ownTlsAtMs, lastError, lastInjectedAtMs }: WireActivity,
): CredentialBindingStatus["injection"] {
    return {
        services: injections.map(({ host, port }) => ({ host, port })),
        injected,
        refused,
        ownTls: ownTlsAtMs !== undefined,
        ...(lastError === undefined ? {} : { lastError }),
        ...(lastInjectedAtMs === undefined ? {} : { lastInjectedAt: new Date(lastInjectedAtMs).toISOString() }),
    };
}

const spoofableNote =
    "delivered, but a selector names only process:name, which any process can take on: " +
    "add process:binary:path, process:uid or systemd:unit.";

/** The status of a binding that is not served. */
export function rejectionReport(rejection: Rejection, agent: string): Report {
    return {
        state: "FAILED",
        reason: rejection.failure.code,
        message: rejection.failure.message,
        observedGeneration: rejection.generation,
        ...(rejection.unowned ? {} : { agent }),
    };
}

/** The status of a binding whose workload belongs to an agent that does not exist. */
export function wrongScopeReport(foreign: Foreign): Report {
    const named = foreign.daemons.map((id) => JSON.stringify(id)).join(", ");
    const failure = new RiptidesError("WrongScope", {
        property: "spec.scope",
        reason: `there is no Daemon with workload ID ${named}`,
        fix: catalogue.WrongScope.fix,
    });
    return {
        state: "FAILED",
        reason: failure.code,
        message: failure.message,
        observedGeneration: foreign.generation,
    };
}

/** The object that a status belongs to. */
export interface StatusObject {
    uid: string;
    status?: CredentialBindingStatus;
}

interface Entry {
    uid: string;
    /** What the cluster has, as far as known. */
    written: string;
    wanted: Report;
    busy: boolean;
    failures: number;
    retry?: Cancel;
}

const parallel = 4;

/** Writes statuses to the cluster: only when they differ from what is there, a few at a time, the latest one last. */
export class StatusWriter {
    private readonly entries = new Map<string, Entry>();
    private readonly slots = new Slots(parallel);
    private stopped = false;

    constructor(
        private readonly cluster: Pick<Cluster, "writeBindingStatus">,
        private readonly clock: Clock,
        private readonly log: Log,
    ) {}

    /** @param object as the cluster shows it now */
    report(binding: string, report: Report, object: StatusObject): void {
        let entry = this.entries.get(binding);
        if (entry?.uid !== object.uid) {
            entry?.retry?.();
            const written = comparable(object.status);
            entry = { uid: object.uid, written, wanted: report, busy: false, failures: 0 };
            this.entries.set(binding, entry);
        }
        entry.wanted = report;
        this.flush(binding, entry);
    }

    /** The binding is gone or is not this agent's any more. */
    forget(binding: string): void {
        this.entries.get(binding)?.retry?.();
        this.entries.delete(binding);
    }

    /** Forgets all but these. */
    keep(bindings: ReadonlyMap<string, unknown>): void {
        [...this.entries.keys()].filter((name) => !bindings.has(name)).forEach((name) => this.forget(name));
    }

    stop(): void {
        this.stopped = true;
        this.entries.forEach((entry) => entry.retry?.());
    }

    private flush(binding: string, entry: Entry): void {
        if (entry.busy || this.stopped || comparable(entry.wanted) === entry.written) {
            return;
        }
        entry.retry?.();
        entry.busy = true;
        void this.slots.run(() => this.write(binding, entry));
    }

    private async write(binding: string, entry: Entry): Promise<void> {
        const report = entry.wanted;
        try {
            const updateAt = new Date(this.clock.now()).toISOString();
            const found = await this.cluster.writeBindingStatus(binding, { ...report, updateAt });
            entry.written = comparable(report);
            entry.failures = 0;
            entry.busy = false;
            if (!found) {
                this.forget(binding);
            } else if (this.entries.get(binding) === entry) {
                this.flush(binding, entry);
            }
        } catch (error) {
            entry.busy = false;
            entry.failures++;
            if (entry.failures === 1) {
                this.log.warning("a status could not be written yet", { binding, ...failureFields(error) });
            }
            if (!this.stopped && this.entries.get(binding) === entry) {
                const waitMs = delayMs(clusterBackOff, entry.failures, this.clock);
                entry.retry = this.clock.after(waitMs, () => this.flush(binding, entry));
            }
        }
    }
}

function comparable(status: Report | CredentialBindingStatus | undefined): string {
    const { state, reason, message, observedGeneration, expiresAt, agent, sysfs, injection } = status ?? {};
    const files = sysfs?.files?.map(({ path, type }) => [path, type]) ?? [];
    const { services = [], injected, refused, ownTls, lastError, lastInjectedAt } = injection ?? {};
    const wire = [services.map(({ host, port }) => [host, port]), injected, refused, ownTls, lastError, lastInjectedAt];
    return JSON.stringify([state, reason, message, observedGeneration, expiresAt, agent, files, wire]);
}
