// SPDX-License-Identifier: Apache-2.0
import type { KubeConfig } from "@kubernetes/client-node";
import { Watch } from "@kubernetes/client-node/dist/watch.js";
import {
    apiVersion,
    CredentialBindingSpec,
    CredentialBindingStatus,
    CredentialSourceSpec,
    DaemonSpec,
    DaemonStatus,
    kinds,
    messageOf,
    RiptidesError,
    Secret,
    ServiceSpec,
    WorkloadIdentitySpec,
} from "../api";
import type { Clock } from "./clock";
import type {
    BindingResource,
    Cluster,
    ClusterView,
    IdentityResource,
    Resource,
    ServiceResource,
    SourceResource,
} from "./cluster";
import { Informer, ListPage, RawObject } from "./informer";
import { Answer, Origin } from "./origin";
import { redact } from "./redact";

const timeoutMs = 20_000;
// A page is parsed whole: small pages keep the agent's memory small.
const pageSize = 100;

export interface KubernetesOptions {
    server: string;
    /** PEM. */
    certificateAuthority: string;
    namespace: string;
    token: Secret;
    clock: Clock;
}

/** The Kubernetes API: watches by @kubernetes/client-node, single requests over the same connections. */
export class KubernetesCluster implements Cluster {
    private readonly origin: Origin;
    private readonly informers: Informer[] = [];

    constructor(private readonly options: KubernetesOptions) {
        this.origin = new Origin(options.server, options.certificateAuthority);
    }

    watch(onChange: (view: ClusterView) => void, onFault: (fault: Error | undefined) => void): void {
        const services = new Map<string, ServiceResource>();
        const sources = new Map<string, SourceResource>();
        const identities = new Map<string, IdentityResource>();
        const bindings = new Map<string, BindingResource>();
        const view: ClusterView = { services, sources, identities, bindings };
        const unlisted = new Set<string>();
        const faults = new Map<string, Error>();
        const changed = () => {
            if (unlisted.size === 0) {
                onChange(view);
            }
        };
        const follow = <R extends Resource<unknown, unknown>>(plural: string, into: Map<string, R>) => {
            unlisted.add(plural);
            const informer = new Informer({
                path: this.collection(plural),
                list: (path, page) => this.list(path, page),
                watch: new Watch(this.watchConfig() as unknown as KubeConfig),
                clock: this.options.clock,
                onObject: (object) => {
                    const known = into.get(object.metadata.name);
                    const next = resource<R>(object);
                    into.set(next.name, next);
                    // A write of a status alone, mostly our own, changes nothing for the agent.
                    if (known?.generation !== next.generation || known.uid !== next.uid) {
                        changed();
                    }
                },
                onDeleted: (name) => {
                    if (into.delete(name)) {
                        changed();
                    }
                },
                onListed: (names) => {
                    [...into.keys()].filter((name) => !names.has(name)).forEach((name) => into.delete(name));
                    unlisted.delete(plural);
                    if (plural === kinds.service.plural) {
                        delete view.servicesDenied;
                    }
                    changed();
                },
                onFault: (fault) => {
                    if (fault) {
                        const explained = this.explained(fault, plural);
                        faults.set(plural, explained);
                        // What needs no Service goes on.
                        if (plural === kinds.service.plural && isDenial(fault) && unlisted.delete(plural)) {
                            view.servicesDenied = explained;
                            changed();
                        }
                    } else if (!faults.delete(plural)) {
                        return;
                    }
                    onFault(faults.values().next().value);
                },
            });
            this.informers.push(informer);
            informer.start();
        };
        follow<ServiceResource>(kinds.service.plural, services);
        follow<SourceResource>(kinds.credentialSource.plural, sources);
        follow<IdentityResource>(kinds.workloadIdentity.plural, identities);
        follow<BindingResource>(kinds.credentialBinding.plural, bindings);
    }

    async writeBindingStatus(name: string, status: CredentialBindingStatus): Promise<boolean> {
        const path = `${this.collection(kinds.credentialBinding.plural)}/${name}/status`;
        const { injection } = status;
        const body = {
            status: {
                ...mergeable(status, statusFields),
                ...(injection ? { injection: mergeable(injection, injectionFields) } : {}),
            },
        };
        const answer = await this.send("PATCH", path, body);
        return answer.status !== 404;
    }

    async writeDaemon(name: string, spec: DaemonSpec, status: DaemonStatus): Promise<void> {
        const collection = this.collection(kinds.daemon.plural);
        const found = await this.send("PATCH", `${collection}/${name}`, { spec });
        if (found.status === 404) {
            const object = { apiVersion, kind: kinds.daemon.kind, metadata: { name }, spec };
            const made = await this.send("POST", collection, object);
            if (made.status === 404) {
                throw new RiptidesError("ClusterDenied", {
                    reason: `${collection} does not exist in the cluster`,
                    fix: "Apply RiptidesResources (the custom resource definitions and the namespace) first.",
                });
            }
        }
        await this.send("PATCH", `${collection}/${name}/status`, { status });
    }

    async hasDaemon(name: string): Promise<boolean> {
        return (await this.send("GET", `${this.collection(kinds.daemon.plural)}/${name}`)).status !== 404;
    }

    async deleteDaemon(name: string): Promise<void> {
        await this.send("DELETE", `${this.collection(kinds.daemon.plural)}/${name}`);
    }

    close(): void {
        this.informers.forEach((informer) => informer.stop());
        this.origin.close();
    }

    private collection(plural: string): string {
        return `/apis/${apiVersion}/namespaces/${this.options.namespace}/${plural}`;
    }

    /** What Watch asks of a kubeconfig: building a whole one would load every authenticator and every API of Kubernetes. */
    private watchConfig() {
        return {
            getCurrentCluster: () => ({ server: this.options.server }),
            applyToFetchOptions: async () => ({
                agent: this.origin.agent,
                headers: { authorization: `Bearer ${this.options.token.reveal()}` },
            }),
        };
    }

    private async list(path: string, page: string | undefined): Promise<ListPage> {
        const query = new URLSearchParams({ limit: String(pageSize), ...(page ? { continue: page } : {}) });
        const answer = await this.send("GET", `${path}?${query}`);
        if (answer.status === 404) {
            throw Object.assign(new Error("not found"), { statusCode: 404 });
        }
        const body = JSON.parse(answer.body.toString("utf8")) as {
            items: RawObject[];
            metadata: { resourceVersion: string; continue?: string };
        };
        return {
            items: body.items,
            resourceVersion: body.metadata.resourceVersion,
            next: body.metadata.continue || undefined,
        };
    }

    /** Sends a request; 2xx and 404 are answers, all else is thrown as RiptidesError. */
    private async send(method: string, path: string, body?: unknown): Promise<Answer> {
        let answer: Answer;
        try {
            answer = await this.origin.request({
                method,
                path,
                timeoutMs,
                body: body === undefined ? undefined : JSON.stringify(body),
                headers: {
                    authorization: `Bearer ${this.options.token.reveal()}`,
                    accept: "application/json",
                    "user-agent": "riptides-agent",
                    ...(body === undefined
                        ? {}
                        : { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" }),
                },
            });
        } catch (error) {
            throw this.explained(error as Error, path);
        }
        if ((answer.status >= 200 && answer.status < 300) || answer.status === 404) {
            return answer;
        }
        throw this.explained(
            Object.assign(new Error(statusMessage(answer)), { statusCode: answer.status }),
            `${method} ${path.split("?")[0]}`,
        );
    }

    private explained(error: Error, what: string): RiptidesError {
        if (error instanceof RiptidesError) {
            return error;
        }
        const status = (error as { statusCode?: number }).statusCode;
        const said = redact(messageOf(error)) || (error as NodeJS.ErrnoException).code || error.name;
        const reason = `${what} at ${this.options.server}${status ? ` was answered ${status}` : ""}: ${said}`;
        if (status === 404) {
            return new RiptidesError("ClusterDenied", {
                reason,
                fix: "Apply RiptidesResources (the custom resource definitions and the namespace) first.",
            });
        }
        return new RiptidesError(status === 401 || status === 403 ? "ClusterDenied" : "ClusterUnreachable", { reason });
    }
}

const statusFields = [
    "state",
    "reason",
    "message",
    "updateAt",
    "expiresAt",
    "observedGeneration",
    "agent",
    "sysfs",
    "injection",
] as const;

const injectionFields = ["services", "injected", "refused", "ownTls", "lastError", "lastInjectedAt"] as const;

/** For a merge patch, a field that is to go must be null. */
function mergeable<T extends object>(value: T, fields: readonly (keyof T)[]): Record<string, unknown> {
    return Object.fromEntries(fields.map((field) => [field, value[field] ?? null]));
}

function resource<R extends Resource<unknown, unknown>>({ metadata, spec, status }: RawObject): R {
    const kept: Resource<unknown, unknown> = {
        name: metadata.name,
        uid: metadata.uid ?? "",
        generation: metadata.generation ?? 0,
        createdAt: metadata.creationTimestamp ?? "",
        spec: spec as CredentialBindingSpec | CredentialSourceSpec | ServiceSpec | WorkloadIdentitySpec,
        ...(status === undefined ? {} : { status }),
    };
    return kept as R;
}

function isDenial(fault: Error): boolean {
    return (
        (fault instanceof RiptidesError && fault.code === "ClusterDenied") ||
        (fault as { statusCode?: number }).statusCode === 403
    );
}

function statusMessage(answer: Answer): string {
    const text = answer.body.toString("utf8");
    try {
        const { message } = JSON.parse(text) as { message?: unknown };
        return typeof message === "string" ? message : `status ${answer.status}`;
    } catch {
        return text.slice(0, 200) || `status ${answer.status}`;
    }
}
