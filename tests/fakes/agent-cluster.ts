// SPDX-License-Identifier: Apache-2.0
import type {
    BindingResource,
    Cluster,
    ClusterView,
    IdentityResource,
    ServiceResource,
    SourceResource,
} from "../../agent/cluster";
import { CredentialBindingStatus, DaemonSpec, DaemonStatus, RiptidesError } from "../../api";

interface Kinds {
    services: ServiceResource;
    sources: SourceResource;
    identities: IdentityResource;
    bindings: BindingResource;
}

/** The custom resources, without a server. */
export class FakeCluster implements Cluster {
    readonly services = new Map<string, ServiceResource>();
    readonly sources = new Map<string, SourceResource>();
    readonly identities = new Map<string, IdentityResource>();
    readonly bindings = new Map<string, BindingResource>();
    readonly daemons = new Map<string, { spec: DaemonSpec; status: DaemonStatus }>();
    /** Every status written, in order. */
    readonly writes: { binding: string; status: CredentialBindingStatus }[] = [];
    daemonWrites = 0;
    /** Thrown by every write until taken away. */
    fault?: RiptidesError;
    /** Of what is created from now on. */
    createdAt = "2026-01-01T00:00:00Z";
    private changed: (() => void) | undefined;
    private uids = 0;

    watch(onChange: (view: ClusterView) => void): void {
        this.changed = () => onChange(this);
        this.changed();
    }

    /** Creates an object or replaces its spec. */
    apply<K extends keyof Kinds>(kind: K, name: string, spec: Kinds[K]["spec"]): void {
        const known = this[kind].get(name) as BindingResource | undefined;
        const next = {
            name,
            uid: known?.uid ?? `uid-${++this.uids}`,
            generation: (known?.generation ?? 0) + 1,
            createdAt: known?.createdAt ?? this.createdAt,
            spec,
            ...(known?.status === undefined ? {} : { status: known.status }),
        };
        (this[kind] as Map<string, unknown>).set(name, next);
        this.changed?.();
    }

    remove(kind: keyof Kinds, name: string): void {
        this[kind].delete(name);
        this.changed?.();
    }

    status(binding: string): CredentialBindingStatus | undefined {
        return this.bindings.get(binding)?.status;
    }

    async writeBindingStatus(name: string, status: CredentialBindingStatus): Promise<boolean> {
        if (this.fault) {
            throw this.fault;
        }
        this.writes.push({ binding: name, status });
        const binding = this.bindings.get(name);
        if (binding) {
            // As JSON: what is undefined is absent.
            binding.status = JSON.parse(JSON.stringify(status)) as CredentialBindingStatus;
        }
        return binding !== undefined;
    }

    async writeDaemon(name: string, spec: DaemonSpec, status: DaemonStatus): Promise<void> {
        if (this.fault) {
            throw this.fault;
        }
        this.daemonWrites++;
        this.daemons.set(name, { spec, status });
    }

    async hasDaemon(name: string): Promise<boolean> {
        return this.daemons.has(name);
    }

    async deleteDaemon(name: string): Promise<void> {
        this.daemons.delete(name);
    }

    close(): void {
        this.changed = undefined;
    }
}
