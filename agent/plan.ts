// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
    credentialPath,
    CredentialSourceSpec,
    Duration,
    isSpoofable,
    messageOf,
    parseSelectors,
    RiptidesError,
    SelectorLike,
    spiffeId,
    WorkloadIdentitySpec,
    workloadUuid,
} from "../api";
import { BindingKey, kernelLimits } from "../api/kernel-message";
import type { BindingResource, ClusterView, IdentityResource } from "./cluster";
import type { Alternative } from "./facts";
import { planWire, ServiceIndex, WireOrder } from "./injection-plan";
import type { VaultServer } from "./vault";

/** A binding that this node has to serve. */
export interface Order {
    binding: string;
    /** Of the object. */
    uid: string;
    generation: number;
    /** Of the object. */
    createdAt: string;
    key: BindingKey;
    /** Where the kernel shows the credential; `undefined` when it is not delivered as a file. */
    file?: string;
    /** `undefined` when it is not injected. */
    wire?: WireOrder;
    spiffeId: string;
    source: Source;
    alternatives: Alternative[];
    /** `true` when one of the alternatives can be met by forging. */
    spoofable: boolean;
    /** Changes whenever the credential must be fetched anew. */
    fingerprint: string;
}

/** Where an order's credential comes from. */
export interface Source {
    server: VaultServer;
    mount: string;
    role: string;
    path: string;
    audience: string[];
    jwtLifetimeSeconds: number;
}

/** A binding that cannot be served, and why. */
export interface Rejection {
    binding: string;
    generation: number;
    failure: RiptidesError;
    /** `true` when no node in particular is meant: every agent says the same, none signs it. */
    unowned: boolean;
}

/** A binding whose workload belongs to other agents. */
export interface Foreign {
    binding: string;
    generation: number;
    /** Workload IDs of those agents. */
    daemons: string[];
}

export interface Plan {
    /** The eldest first, those of one second by name: where there is not a place for all, who has one keeps it. */
    orders: Order[];
    rejections: Rejection[];
    foreign: Foreign[];
}

const defaultJwtLifetime = "60s";

/** What this node has to do, from what the cluster holds. Pure; a fault of one binding never touches another. */
export function plan(view: ClusterView, trustDomain: string, daemonWorkloadId: string): Plan {
    const byWorkload = new Map<string, IdentityResource[]>();
    for (const identity of view.identities.values()) {
        const known = byWorkload.get(identity.spec.workloadID);
        if (known) {
            known.push(identity);
        } else {
            byWorkload.set(identity.spec.workloadID, [identity]);
        }
    }
    const services = new ServiceIndex(view.services.values());
    const result: Plan = { orders: [], rejections: [], foreign: [] };
    for (const binding of view.bindings.values()) {
        const { name, generation, spec } = binding;
        const identities = byWorkload.get(spec.workloadID) ?? [];
        const own = identities.filter((identity) => scopeOf(identity.spec) === daemonWorkloadId);
        if (identities.length > 0 && own.length === 0) {
            const daemons = identities.map((identity) => scopeOf(identity.spec));
            result.foreign.push({ binding: name, generation, daemons });
            continue;
        }
        try {
            result.orders.push(order(view, services, binding, own, trustDomain));
        } catch (error) {
            const failure =
                error instanceof RiptidesError ? error : new RiptidesError("Internal", { reason: messageOf(error) });
            result.rejections.push({ binding: name, generation, failure, unowned: own.length === 0 });
        }
    }
    result.orders.sort(byAge);
    return result;
}

function byAge(a: Order, b: Order): number {
    return a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.binding < b.binding) ? -1 : 1;
}

function order(
    view: ClusterView,
    services: ServiceIndex,
    binding: BindingResource,
    own: IdentityResource[],
    trustDomain: string,
): Order {
    const { name, generation, spec } = binding;
    if (own.length === 0) {
        throw new RiptidesError("WorkloadIdentityMissing", {
            property: "spec.workloadID",
            reason: `there is no WorkloadIdentity with workloadID ${JSON.stringify(spec.workloadID)}`,
        });
    }
    const { sysfs, injection } = spec.propagation;
    if (!sysfs && !injection) {
        throw new RiptidesError("PropagationUnsupported", {
            property: "spec.propagation",
            reason: `${Object.keys(spec.propagation).join(", ") || "nothing"} is asked for`,
        });
    }
    const source = view.sources.get(spec.credentialSource);
    if (!source) {
        throw new RiptidesError("CredentialSourceMissing", {
            property: "spec.credentialSource",
            reason: `there is no CredentialSource ${JSON.stringify(spec.credentialSource)}`,
        });
    }
    const id = spiffeId(trustDomain, spec.workloadID);
    const alternatives = own.flatMap(alternativesOf);
    if (alternatives.length > kernelLimits.alternatives) {
        throw new RiptidesError("InvalidSelector", {
            property: "spec.selectors",
            reason: `the selectors make ${alternatives.length} alternatives, more than ${kernelLimits.alternatives}`,
            fix: "Use fewer list values, or one WorkloadIdentity and binding for each group of processes.",
        });
    }
    const from = sourceOf(source.spec);
    if (injection && view.servicesDenied) {
        throw view.servicesDenied;
    }
    const wire = injection && planWire(injection, services);
    return {
        binding: name,
        uid: binding.uid,
        generation,
        createdAt: binding.createdAt,
        key: { workload: workloadUuid(id), binding: name },
        ...(sysfs ? { file: credentialPath(id, name) } : {}),
        ...(wire ? { wire } : {}),
        spiffeId: id,
        source: from,
        alternatives,
        spoofable: alternatives.some(({ selector }) => isSpoofable(selector)),
        fingerprint: fingerprint(binding, from, wire),
    };
}

function alternativesOf(identity: IdentityResource): Alternative[] {
    return identity.spec.selectors.flatMap((selector, index) => {
        const property = `spec.selectors[${index}]`;
        return parseSelectors([selector as SelectorLike], "spec.selectors").map((parsed) => ({
            selector: parsed,
            property,
        }));
    });
}

// One for all bindings of a source, and the same as long as the object is.
const sources = new WeakMap<CredentialSourceSpec, Source>();

function sourceOf(spec: CredentialSourceSpec): Source {
    const source = sources.get(spec) ?? readSource(spec);
    sources.set(spec, source);
    return source;
}

function readSource(spec: CredentialSourceSpec): Source {
    const { vault } = spec;
    if (!vault) {
        throw new RiptidesError("CredentialSourceUnsupported", {
            property: "spec.vault",
            reason: `the source has ${Object.keys(spec).join(", ") || "nothing"}`,
        });
    }
    const lifetime = Duration.parse(vault.idTokenLifetime ?? defaultJwtLifetime, "spec.vault.idTokenLifetime");
    return {
        server: {
            address: vault.address.replace(/\/$/, ""),
            ...(vault.namespace ? { namespace: vault.namespace } : {}),
            ...(vault.caBundle ? { caBundle: vault.caBundle } : {}),
        },
        mount: vault.jwtAuthMethodPath ?? "jwt",
        role: vault.role,
        path: vault.path,
        audience: vault.audience ?? ["vault"],
        jwtLifetimeSeconds: Math.max(1, lifetime.wholeSeconds),
    };
}

/**
 * Whose credential it is, where it comes from and which parts the kernel has; the way there (CA, audience, JWT life) does
 * not count, nor do the services it is injected into: the kernel keeps the credential when its table changes.
 */
function fingerprint({ uid, spec }: BindingResource, source: Source, wire: WireOrder | undefined): string {
    const parts = [
        // An object of the same name made anew is another binding.
        uid,
        spec.workloadID,
        source.server.address,
        source.server.namespace ?? "",
        source.mount,
        source.role,
        source.path,
        spec.refreshTrigger ?? "",
        ...(wire ? [wire.secret, spec.propagation.sysfs ? "file" : ""] : []),
    ];
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

function scopeOf({ scope }: WorkloadIdentitySpec): string {
    return scope.agent?.id ?? scope.daemon?.id ?? "";
}
