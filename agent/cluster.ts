// SPDX-License-Identifier: Apache-2.0
import type {
    CredentialBindingSpec,
    CredentialBindingStatus,
    CredentialSourceSpec,
    DaemonSpec,
    DaemonStatus,
    RiptidesError,
    ServiceSpec,
    WorkloadIdentitySpec,
} from "../api";

/** What the agent keeps of a custom resource. Objects that are being deleted are not shown. */
export interface Resource<Spec, Status = undefined> {
    name: string;
    uid: string;
    generation: number;
    /** As the server writes it: UTC, whole seconds. */
    createdAt: string;
    spec: Spec;
    status?: Status;
}

export type ServiceResource = Resource<ServiceSpec>;
export type SourceResource = Resource<CredentialSourceSpec>;
export type IdentityResource = Resource<WorkloadIdentitySpec>;
export type BindingResource = Resource<CredentialBindingSpec, CredentialBindingStatus>;

/** What the cluster holds now. */
export interface ClusterView {
    services: ReadonlyMap<string, ServiceResource>;
    /** Why the Services are not known: the account of an older installation may not read them. */
    servicesDenied?: RiptidesError;
    sources: ReadonlyMap<string, SourceResource>;
    identities: ReadonlyMap<string, IdentityResource>;
    bindings: ReadonlyMap<string, BindingResource>;
}

/** The custom resources of one namespace of the Kubernetes API. */
export interface Cluster {
    /**
     * Keeps a view up to date until {@link Cluster.close}, through every outage.
     * @param onChange called when all kinds have been listed once, then after every change of a spec
     * @param onFault called when a watch or list fails (it goes on by itself), and with `undefined` when all go again
     */
    watch(onChange: (view: ClusterView) => void, onFault: (fault: Error | undefined) => void): void;
    /** Replaces the status of a CredentialBinding. @throws RiptidesError; `false` when the object is gone. */
    writeBindingStatus(name: string, status: CredentialBindingStatus): Promise<boolean>;
    /** Creates or updates the agent's Daemon. @throws RiptidesError */
    writeDaemon(name: string, spec: DaemonSpec, status: DaemonStatus): Promise<void>;
    hasDaemon(name: string): Promise<boolean>;
    /** Succeeds, too, when there is none. @throws RiptidesError */
    deleteDaemon(name: string): Promise<void>;
    close(): void;
}
