// SPDX-License-Identifier: Apache-2.0
import * as http from "node:http";
import * as https from "node:https";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { Duration, messageOf, RiptidesError } from "../../api";
import { wallClock, type Clock, type Source } from "../wait/wait";
import type { Binding } from "./condition";

const group = "/apis/core.riptides.io/v1alpha1";
const requestMilliseconds = 30_000;
// The server ends a watch after this long and we begin another: a connection that died in silence is noticed.
const watchSeconds = 60;
const watchMilliseconds = (watchSeconds + 15) * 1_000;
const retry = Duration.seconds(1);

/** An object of the group, as far as it is read. */
export interface Item {
    metadata: { name: string; namespace?: string; resourceVersion?: string };
    spec?: Record<string, unknown>;
    status?: Record<string, unknown>;
}

/** What the wait needs of a cluster. */
export interface Cluster {
    /** One object; undefined when it, or its kind, is not there. */
    get(plural: string, namespace: string, name: string, signal: AbortSignal): Promise<Item | undefined>;
    /** All objects of a namespace. */
    list(plural: string, namespace: string, signal: AbortSignal): Promise<Item[]>;
    /** A binding each time it changes, beginning with the present one; undefined while it does not exist. */
    binding(namespace: string, name: string): Source<Binding | undefined>;
}

/** A cluster by kubeconfig, over plain requests: one watch costs one connection. */
export class KubernetesCluster implements Cluster {
    #config: Promise<KubeConfig> | undefined;

    constructor(
        private readonly kubeconfig: () => { text: string; file?: string },
        private readonly clock: Clock = wallClock,
    ) {}

    async get(plural: string, namespace: string, name: string, signal: AbortSignal): Promise<Item | undefined> {
        return (await this.#json(`${group}/namespaces/${namespace}/${plural}/${name}`, signal)) as Item | undefined;
    }

    async list(plural: string, namespace: string, signal: AbortSignal): Promise<Item[]> {
        const list = await this.#json(`${group}/namespaces/${namespace}/${plural}`, signal);
        return ((list as { items?: Item[] } | undefined)?.items ?? []) as Item[];
    }

    binding(namespace: string, name: string): Source<Binding | undefined> {
        return { observe: (signal) => this.#observe(namespace, name, signal) };
    }

    async *#observe(namespace: string, name: string, signal: AbortSignal): AsyncIterable<Binding | undefined> {
        const query = `fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
        const path = `${group}/namespaces/${namespace}/credentialbindings?${query}`;
        let reached = false;
        while (!signal.aborted) {
            try {
                const list = (await this.#json(path, signal)) as List | undefined;
                reached = true;
                yield list?.items[0];
                if (list) {
                    const version = list.metadata.resourceVersion;
                    yield* this.#watch(
                        `${path}&watch=1&timeoutSeconds=${watchSeconds}&resourceVersion=${version}`,
                        signal,
                    );
                    continue;
                }
            } catch (error) {
                // An API server may restart while we wait; one that never answered is a mistake in the kubeconfig.
                if (!(reached && error instanceof RiptidesError && error.code === "ClusterUnreachable")) {
                    throw error;
                }
            }
            // Without a server, or without the CustomResourceDefinition, there is nothing to watch.
            await this.clock.after(retry, signal);
        }
    }

    // Ends when the server ends it, the connection breaks or the version is too old: then the list is read again.
    async *#watch(path: string, signal: AbortSignal): AsyncIterable<Binding | undefined> {
        const response = await this.#request(path, signal, watchMilliseconds);
        for await (const line of linesOf(response)) {
            const event = JSON.parse(line) as { type: string; object: Binding };
            if (event.type === "ERROR") {
                return;
            }
            if (event.type !== "BOOKMARK") {
                yield event.type === "DELETED" ? undefined : event.object;
            }
        }
        signal.throwIfAborted();
    }

    async #json(path: string, signal: AbortSignal): Promise<unknown> {
        const response = await this.#request(path, signal);
        const chunks: Buffer[] = [];
        try {
            for await (const chunk of response) {
                chunks.push(chunk as Buffer);
            }
        } catch (error) {
            signal.throwIfAborted();
            throw unreachable(new URL((await this.#config!).getCurrentCluster()!.server), error as Error);
        }
        // The body of a 404 is not JSON where the kind itself is unknown.
        return response.statusCode === 404
            ? undefined
            : (JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown);
    }

    async #request(path: string, signal: AbortSignal, timeout = requestMilliseconds): Promise<http.IncomingMessage> {
        this.#config ??= this.#load();
        const config = await this.#config;
        const server = new URL(config.getCurrentCluster()!.server);
        // Anew each time: a login command's token may have run out.
        const options: https.RequestOptions = {};
        await config.applyToHTTPSOptions(options);
        const url = new URL(server.pathname.replace(/\/$/, "") + path, server);
        const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
            // `kubectl proxy` is plain http.
            const request = (url.protocol === "http:" ? http : https).get(url, { ...options, signal }, resolve);
            request.on("error", (error) =>
                reject(signal.aborted ? (signal.reason as Error) : unreachable(server, error)),
            );
            request.setTimeout(timeout, () => request.destroy(new Error(`no answer within ${timeout / 1_000} s`)));
        });
        const status = response.statusCode ?? 0;
        if (status === 401 || status === 403) {
            const said = await messageIn(response);
            throw new RiptidesError("ClusterDenied", {
                property: "kubeconfig",
                reason: `${server.origin} answered ${status}: ${said}`,
            });
        }
        if (status >= 400 && status !== 404) {
            throw new RiptidesError("ClusterUnreachable", {
                reason: `GET ${url.pathname} at ${server.origin} was answered ${status}: ${await messageIn(response)}`,
                fix: "See the server's own message, then run again.",
            });
        }
        return response;
    }

    // The library knows every way of a kubeconfig to log in; it is big, so only a wait or a refresh loads it.
    async #load(): Promise<KubeConfig> {
        const { text, file } = this.kubeconfig();
        const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
        const config = new KubeConfig();
        try {
            if (file) {
                config.loadFromFile(file);
            } else {
                config.loadFromString(text);
            }
        } catch (error) {
            throw new RiptidesError("InvalidConfiguration", {
                property: "kubeconfig",
                reason: `the kubeconfig cannot be read: ${messageOf(error)}`,
                cause: error,
            });
        }
        if (!config.getCurrentCluster()) {
            throw new RiptidesError("InvalidConfiguration", {
                property: "kubeconfig",
                reason: `the current context ${JSON.stringify(config.getCurrentContext())} names no cluster`,
            });
        }
        return config;
    }
}

interface List {
    metadata: { resourceVersion: string };
    items: Binding[];
}

function unreachable(server: URL, error: NodeJS.ErrnoException): RiptidesError {
    return new RiptidesError("ClusterUnreachable", {
        property: "kubeconfig",
        reason: `no answer from ${server.origin}: ${error.message || error.code}`,
        cause: error,
    });
}

async function* linesOf(response: http.IncomingMessage): AsyncIterable<string> {
    let rest = "";
    try {
        for await (const chunk of response.setEncoding("utf8")) {
            const lines = (rest + String(chunk)).split("\n");
            rest = lines.pop()!;
            yield* lines.filter(Boolean);
        }
    } catch (error) {
        // A connection that breaks in the middle is as good as one that ends; it is logged nowhere because the next list tells more.
        if ((error as NodeJS.ErrnoException).code === undefined) {
            throw error;
        }
    }
}

async function messageIn(response: http.IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of response) {
        chunks.push(chunk as Buffer);
    }
    const text = Buffer.concat(chunks).toString("utf8");
    try {
        return (JSON.parse(text) as { message?: string }).message ?? text;
    } catch {
        return text.slice(0, 200);
    }
}
