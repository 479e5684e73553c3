// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { type Answer, send, text } from "../http";
import { type KubernetesObject, nameOf, namespaceOf } from "./object";

/** The API server refused; the message is its own. */
export class ClusterError extends Error {
    constructor(
        readonly code: number,
        /** One word, for example `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`. */
        readonly reason: string,
        message: string,
        /** What the message is about, for example the kind that was not found. */
        readonly about: string | undefined,
    ) {
        super(message);
        this.name = "ClusterError";
    }
}

/** The API server does not know a kind. */
export class NoMatchError extends Error {
    constructor(
        readonly apiVersion: string,
        readonly kind: string,
    ) {
        super(`no matches for kind "${kind}" in version "${apiVersion}"`);
        this.name = "NoMatchError";
    }
}

/** The API server did not answer. */
export class UnreachableError extends Error {
    constructor(address: string, cause: Error) {
        super(
            `configured Kubernetes cluster is unreachable: ${address}: ${cause.message || (cause as { code?: string }).code}`,
            {
                cause,
            },
        );
        this.name = "UnreachableError";
    }
}

/** A change the cluster tells of. */
export interface WatchEvent {
    type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
    object: KubernetesObject;
}

/** How to find the cluster. */
export interface ClusterOptions {
    /** A kubeconfig: its text (YAML or JSON), or the path of a file. */
    kubeconfig?: string;
    /** Value of KUBECONFIG: paths, separated by colons. */
    environment?: string;
    context?: string;
    cluster?: string;
}

interface ApiResource {
    name: string;
    kind: string;
    namespaced: boolean;
}

export const contentTypes = {
    json: "application/json",
    apply: "application/apply-patch+yaml",
    jsonPatch: "application/json-patch+json",
} as const;

// Servers name the manager of a field after the client where the request does not.
const userAgent = "pulumi-kubernetes/4.32.0 (standin)";

/** The API of one Kubernetes cluster, for any kind. */
export class Cluster {
    readonly #config: KubeConfig;
    readonly #address: string;
    readonly #agent: http.Agent;
    readonly #kinds = new Map<string, Promise<ApiResource[]>>();

    /** @throws Error when there is no such kubeconfig, context or cluster. */
    constructor(options: ClusterOptions) {
        this.#config = load(options);
        const cluster = this.#config.getCurrentCluster();
        if (!cluster) {
            throw new Error(
                `the kubeconfig has no cluster for the context "${this.#config.getCurrentContext()}"; ` +
                    "set kubernetes:kubeconfig, the provider's kubeconfig or KUBECONFIG",
            );
        }
        this.#address = cluster.server;
        this.#agent = cluster.server.startsWith("https:")
            ? new https.Agent({ keepAlive: true })
            : new http.Agent({ keepAlive: true });
    }

    /** Says whether the API server knows a kind. False when it does not answer. */
    async knows(apiVersion: string, kind: string, signal: AbortSignal): Promise<boolean> {
        try {
            await this.#resource(apiVersion, kind, signal);
            return true;
        } catch (error) {
            if (error instanceof NoMatchError || error instanceof UnreachableError) {
                return false;
            }
            throw error;
        }
    }

    /** Forgets the kinds: a CustomResourceDefinition has changed them. */
    forgetKinds(): void {
        this.#kinds.clear();
    }

    /** The live object; undefined when there is none, or no such kind any more. */
    async get(object: KubernetesObject, signal: AbortSignal): Promise<KubernetesObject | undefined> {
        try {
            return await this.#json("GET", await this.#path(object, true, signal), signal);
        } catch (error) {
            if (error instanceof NoMatchError || (error instanceof ClusterError && error.code === 404)) {
                return undefined;
            }
            throw error;
        }
    }

    /** Creates an object; `dryRun` only says what it would become. */
    async create(object: KubernetesObject, dryRun: boolean, signal: AbortSignal): Promise<KubernetesObject> {
        const path = await this.#path(object, false, signal);
        return this.#json("POST", `${path}${query({ dryRun })}`, signal, object);
    }

    /** Replaces an object as a whole. */
    async replace(object: KubernetesObject, dryRun: boolean, signal: AbortSignal): Promise<KubernetesObject> {
        const path = await this.#path(object, true, signal);
        return this.#json("PUT", `${path}${query({ dryRun })}`, signal, object);
    }

    /** Applies an object as a field manager. */
    async apply(
        object: KubernetesObject,
        options: { fieldManager: string; force: boolean; dryRun: boolean },
        signal: AbortSignal,
    ): Promise<KubernetesObject> {
        const path = await this.#path(object, true, signal);
        return this.#json("PATCH", `${path}${query(options)}`, signal, object, contentTypes.apply);
    }

    /** Changes fields of an object by RFC 6902 operations. */
    async patch(object: KubernetesObject, operations: object[], signal: AbortSignal): Promise<KubernetesObject> {
        const path = await this.#path(object, true, signal);
        return this.#json("PATCH", path, signal, operations, contentTypes.jsonPatch);
    }

    /** Asks to delete an object; false when it is gone already. */
    async delete(object: KubernetesObject, propagationPolicy: string, signal: AbortSignal): Promise<boolean> {
        const options = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy };
        try {
            await this.#json("DELETE", await this.#path(object, true, signal), signal, options);
            return true;
        } catch (error) {
            if (error instanceof NoMatchError || (error instanceof ClusterError && error.code === 404)) {
                return false;
            }
            throw error;
        }
    }

    /**
     * Opens a watch on one object; resolves when it is open, so that no later change is missed. It begins with ADDED for
     * an object that is there, and ends when the server ends it.
     */
    async watch(object: KubernetesObject, signal: AbortSignal): Promise<AsyncIterable<WatchEvent>> {
        const path = await this.#path(object, false, signal);
        const selector = { watch: true, fieldSelector: `metadata.name=${nameOf(object)}` };
        const answer = await this.#send("GET", `${path}${query(selector)}`, signal);
        if (answer.status >= 400) {
            throw failure(answer.status, await text(answer.body));
        }
        return eventsOf(answer);
    }

    async #path(object: KubernetesObject, named: boolean, signal: AbortSignal): Promise<string> {
        const apiVersion = String(object["apiVersion"]);
        const resource = await this.#resource(apiVersion, String(object["kind"]), signal);
        const parts = [root(apiVersion)];
        if (resource.namespaced) {
            parts.push("namespaces", namespaceOf(object) ?? "default");
        }
        parts.push(resource.name);
        if (named) {
            parts.push(encodeURIComponent(String(nameOf(object))));
        }
        return parts.join("/");
    }

    async #resource(apiVersion: string, kind: string, signal: AbortSignal): Promise<ApiResource> {
        const cached = this.#kinds.has(apiVersion);
        const found = await this.#find(apiVersion, kind, signal);
        if (found) {
            return found;
        }
        // What was learnt earlier may be out of date: CustomResourceDefinitions come and go.
        this.#kinds.delete(apiVersion);
        const now = cached ? await this.#find(apiVersion, kind, signal) : undefined;
        if (!now) {
            this.#kinds.delete(apiVersion);
            throw new NoMatchError(apiVersion, kind);
        }
        return now;
    }

    async #find(apiVersion: string, kind: string, signal: AbortSignal): Promise<ApiResource | undefined> {
        let kinds = this.#kinds.get(apiVersion);
        if (!kinds) {
            kinds = this.#json("GET", root(apiVersion), signal).then(
                (list) => list["resources"] as unknown as ApiResource[],
            );
            this.#kinds.set(apiVersion, kinds);
        }
        try {
            return (await kinds).find((resource) => resource.kind === kind && !resource.name.includes("/"));
        } catch (error) {
            this.#kinds.delete(apiVersion);
            if (error instanceof ClusterError && error.code === 404) {
                return undefined;
            }
            throw error;
        }
    }

    async #json(
        method: string,
        path: string,
        signal: AbortSignal,
        body?: unknown,
        contentType: string = contentTypes.json,
    ): Promise<KubernetesObject> {
        const answer = await this.#send(method, path, signal, body, contentType);
        const received = await text(answer.body);
        if (answer.status >= 400) {
            throw failure(answer.status, received);
        }
        return JSON.parse(received) as KubernetesObject;
    }

    async #send(
        method: string,
        path: string,
        signal: AbortSignal,
        body?: unknown,
        contentType?: string,
    ): Promise<Answer> {
        const connection: https.RequestOptions = { headers: {} };
        await this.#config.applyToHTTPSOptions(connection);
        const { headers, ...tls } = connection;
        try {
            return await send({
                method,
                url: new URL(path, this.#address),
                headers: {
                    ...(headers as http.OutgoingHttpHeaders),
                    Accept: "application/json",
                    "User-Agent": userAgent,
                    ...(body !== undefined && { "Content-Type": contentType }),
                },
                ...(body !== undefined && { body: JSON.stringify(body) }),
                connection: { ...tls, agent: this.#agent },
                signal,
            });
        } catch (error) {
            if (signal.aborted) {
                throw error;
            }
            throw new UnreachableError(this.#address, error as Error);
        }
    }
}

async function* eventsOf({ body }: Answer): AsyncIterable<WatchEvent> {
    try {
        let rest = "";
        for await (const chunk of body.setEncoding("utf8")) {
            const lines = (rest + String(chunk)).split("\n");
            rest = lines.pop()!;
            for (const line of lines) {
                const event = JSON.parse(line) as WatchEvent;
                if (event.type === "ERROR") {
                    // The server cannot go on with this watch: the caller opens another.
                    return;
                }
                yield event;
            }
        }
    } finally {
        body.destroy();
    }
}

function root(apiVersion: string): string {
    return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function query(options: {
    dryRun?: boolean;
    fieldManager?: string;
    force?: boolean;
    watch?: boolean;
    fieldSelector?: string;
}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(options)) {
        if (name === "dryRun") {
            if (value) {
                parameters.set(name, "All");
            }
        } else if (value !== undefined) {
            parameters.set(name, String(value));
        }
    }
    const text = parameters.toString();
    return text && `?${text}`;
}

function failure(code: number, body: string): ClusterError {
    try {
        const status = JSON.parse(body) as { message?: string; reason?: string; details?: { kind?: string } };
        return new ClusterError(code, status.reason ?? "", status.message ?? body, status.details?.kind);
    } catch {
        return new ClusterError(code, "", `the API server answered ${code}: ${body.slice(0, 500)}`, undefined);
    }
}

function load({ kubeconfig, environment, context, cluster }: ClusterOptions): KubeConfig {
    const config = new KubeConfig();
    if (kubeconfig && !kubeconfig.includes("\n") && existsSync(kubeconfig)) {
        config.loadFromFile(kubeconfig);
    } else if (kubeconfig) {
        config.loadFromString(kubeconfig);
    } else if (environment) {
        const files = environment.split(":").filter(Boolean);
        config.loadFromFile(files[0]!);
        for (const file of files.slice(1)) {
            const more = new KubeConfig();
            more.loadFromFile(file);
            config.mergeConfig(more);
        }
    } else {
        config.loadFromDefault();
    }
    if (context) {
        config.setCurrentContext(context);
    }
    if (cluster) {
        const current = config.getContextObject(config.getCurrentContext());
        if (current) {
            config.loadFromOptions({
                clusters: config.getClusters(),
                users: config.getUsers(),
                contexts: [{ ...current, cluster }],
                currentContext: current.name,
            });
        }
    }
    return config;
}
