// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An object of the fake, as the API shows it. */
export interface KubernetesObject {
    metadata: {
        name: string;
        namespace: string;
        uid?: string;
        generation?: number;
        creationTimestamp?: string;
        resourceVersion?: string;
    };
    spec?: Record<string, unknown>;
    status?: Record<string, unknown>;
}

/** The parts of the Kubernetes API that the provider uses, over plain HTTP: get, list with a name, and watch. */
export class FakeKubernetes {
    readonly requests: string[] = [];
    /** False while the CustomResourceDefinitions are missing: then the server knows no such path. */
    installed = true;
    denied = false;
    /** How many of the next lists are cut off in the middle. */
    cutLists = 0;
    readonly #objects = new Map<string, KubernetesObject>();
    #watches: { prefix: string; name: string | null; response: ServerResponse }[] = [];
    #version = 1;
    #server: Server | undefined;

    /** @returns a kubeconfig */
    async start(): Promise<string> {
        this.#server = createServer((request, response) => {
            const url = new URL(request.url!, "http://fake");
            this.requests.push(`${url.pathname}${url.searchParams.has("watch") ? " watch" : ""}`);
            if (this.denied || request.headers.authorization !== "Bearer fake") {
                response.writeHead(403).end(JSON.stringify({ message: "credentialbindings is forbidden" }));
            } else if (!this.installed) {
                response.writeHead(404).end("404 page not found\n");
            } else {
                this.#answer(url, response);
            }
        });
        await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
        const server = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
        return JSON.stringify({
            apiVersion: "v1",
            kind: "Config",
            "current-context": "c",
            clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": true } }],
            users: [{ name: "u", user: { token: "fake" } }],
            contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        });
    }

    async stop(): Promise<void> {
        this.#server?.closeAllConnections();
        await new Promise((resolve) => this.#server?.close(resolve));
    }

    /** Writes an object and tells the watches. */
    put(plural: string, object: KubernetesObject): void {
        const key = `${object.metadata.namespace}/${plural}/${object.metadata.name}`;
        const type = this.#objects.has(key) ? "MODIFIED" : "ADDED";
        const resourceVersion = String(++this.#version);
        const kept = { ...object, metadata: { ...object.metadata, resourceVersion } };
        this.#objects.set(key, kept);
        for (const { prefix, name, response } of this.#watches) {
            if (key.startsWith(prefix) && (name === null || name === object.metadata.name)) {
                response.write(`${JSON.stringify({ type, object: kept })}\n`);
            }
        }
    }

    /** Breaks every watch, as a restart of the server does. */
    breakWatches(): void {
        this.#watches.forEach(({ response }) => response.destroy());
        this.#watches = [];
    }

    get watches(): number {
        return this.#watches.length;
    }

    #answer(url: URL, response: ServerResponse): void {
        const path = url.pathname.replace("/apis/core.riptides.io/v1alpha1/namespaces/", "");
        const [namespace, plural, single] = path.split("/") as [string, string, string?];
        if (single) {
            const object = this.#objects.get(path);
            response.writeHead(object ? 200 : 404).end(JSON.stringify(object ?? { message: "not found" }));
            return;
        }
        const prefix = `${namespace}/${plural}/`;
        const name = /^metadata\.name=(.*)$/.exec(url.searchParams.get("fieldSelector") ?? "")?.[1] ?? null;
        if (url.searchParams.has("watch")) {
            const watch = { prefix, name, response };
            this.#watches.push(watch);
            response.on("close", () => (this.#watches = this.#watches.filter((other) => other !== watch)));
            response.writeHead(200).flushHeaders();
            return;
        }
        if (this.cutLists > 0) {
            this.cutLists--;
            response.writeHead(200).write('{"items":[', () => response.destroy());
            return;
        }
        const items = [...this.#objects]
            .filter(([key, object]) => key.startsWith(prefix) && (name === null || object.metadata.name === name))
            .map(([, object]) => object);
        response.writeHead(200).end(JSON.stringify({ metadata: { resourceVersion: String(this.#version) }, items }));
    }
}
