// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

type Data = Record<string, unknown>;

interface FakeEntry {
    version: string;
    command: string;
    sha256: string;
    args: string[];
    env: string[];
    declarative: boolean;
}

interface FakeMount {
    type: string;
    plugin_version: string;
    running_plugin_version: string;
    running_sha256: string;
}

/** The parts of OpenBao 2.7.2's API that the provider uses, in memory, with its statuses and texts (reference measured on the server). */
export class FakeOpenBao {
    readonly token = "s.fake-root-token";
    readonly objects = new Map<string, Data>();
    readonly catalog = new Map<string, FakeEntry>();
    readonly mounts = new Map<string, FakeMount>();
    /** Files of the plugin_directory by name: their SHA-256. */
    readonly binaries = new Map<string, string>();
    /** `METHOD path` of every request. */
    readonly requests: string[] = [];
    /** Live leases, by path. */
    leases: string[] = [];
    sealed = false;
    /** Answers instead of the server when it gives something. */
    fault: (request: string, body: Data) => { status: number; errors: string[]; retryAfter?: number } | undefined =
        () => undefined;
    #server: Server | undefined;

    async start(): Promise<string> {
        this.#server = createServer((request, response) => {
            void this.#answer(request).then(({ status, body, headers }) => {
                response.writeHead(status, { "Content-Type": "application/json", ...headers });
                response.end(body === undefined ? undefined : JSON.stringify(body));
            });
        });
        await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
        return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    }

    async stop(): Promise<void> {
        this.#server?.closeAllConnections();
        await new Promise((resolve) => this.#server?.close(resolve));
    }

    /** Puts a mount that runs a version of the catalog. */
    mount(path: string, type: string, version: string): void {
        const entry = this.catalog.get(`${type}@${version}`)!;
        this.mounts.set(path, {
            type,
            plugin_version: version,
            running_plugin_version: version,
            running_sha256: entry.sha256,
        });
    }

    async #answer(
        request: IncomingMessage,
    ): Promise<{ status: number; body?: unknown; headers?: Record<string, string> }> {
        const url = new URL(request.url!, "http://fake");
        const path = decodeURIComponent(url.pathname.replace(/^\/v1\//, ""));
        const chunks: Buffer[] = [];
        for await (const chunk of request) {
            chunks.push(chunk as Buffer);
        }
        const body = chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as Data) : {};
        const line = `${request.method} ${path}`;
        this.requests.push(line);
        const refuse = (status: number, ...errors: string[]) => ({ status, body: { errors } });
        if (this.sealed) {
            return refuse(503, "Vault is sealed");
        }
        if (request.headers["x-vault-token"] !== this.token) {
            return refuse(403, "permission denied");
        }
        const fault = this.fault(line, body);
        if (fault) {
            const headers = fault.retryAfter === undefined ? undefined : { "Retry-After": String(fault.retryAfter) };
            return { ...refuse(fault.status, ...fault.errors), headers };
        }
        if (path.startsWith("sys/plugins/catalog/secret/")) {
            return this.#plugin(request.method!, path.slice(27), url.searchParams.get("version"), body);
        }
        if (path === "sys/plugins/reload/backend") {
            for (const mount of body["mounts"] as string[]) {
                const failure = this.#run(mount.replace(/\/$/, ""));
                if (failure) {
                    return refuse(400, failure);
                }
            }
            return { status: 202, body: { data: { reload_id: "1" } } };
        }
        if (path.startsWith("sys/leases/revoke-prefix/")) {
            const prefix = path.slice(25);
            this.leases = this.leases.filter((lease) => !`${lease}/`.startsWith(`${prefix}/`));
            return { status: 204 };
        }
        if (path === "sys/mounts") {
            return { status: 200, body: { data: Object.fromEntries([...this.mounts].map(([p, m]) => [`${p}/`, m])) } };
        }
        if (path.startsWith("sys/mounts/")) {
            return this.#mountCall(request.method!, path.slice(11), body);
        }
        const mount = path.split("/")[0]!;
        if (!this.mounts.has(mount)) {
            return refuse(404, `no handler for route "${path}" on namespace "". route entry not found.`);
        }
        return this.#object(request.method!, path, body);
    }

    #plugin(method: string, name: string, version: string | null, body: Data) {
        const key = `${name}@${String(version ?? body["version"])}`;
        if (method === "POST") {
            if (!this.binaries.has(String(body["command"]))) {
                const errors = [
                    `error while validating the command path: lstat ${String(body["command"])}: no such file or directory`,
                ];
                return { status: 500, body: { errors } };
            }
            this.catalog.set(key, { ...(body as unknown as FakeEntry), declarative: false });
            return { status: 204 };
        }
        const entry = this.catalog.get(key);
        if (method === "DELETE") {
            this.catalog.delete(key);
            return { status: 204 };
        }
        if (!entry) {
            return { status: 404, body: { errors: [] } };
        }
        return { status: 200, body: { data: { ...entry, env: undefined, name, builtin: false } } };
    }

    #mountCall(method: string, path: string, body: Data) {
        if (path.endsWith("/tune")) {
            this.mounts.get(path.slice(0, -5))!.plugin_version = String(body["plugin_version"]);
            return { status: 204 };
        }
        if (method === "DELETE") {
            this.mounts.delete(path);
            return { status: 204 };
        }
        const version = String((body["config"] as Data)["plugin_version"]);
        this.mounts.set(path, {
            type: String(body["type"]),
            plugin_version: version,
            running_plugin_version: "",
            running_sha256: "",
        });
        const failure = this.#run(path);
        if (failure) {
            this.mounts.delete(path);
            return {
                status: 400,
                body: { errors: [`invalid backend version: 2 errors occurred:\n\t* ${failure}\n\n`] },
            };
        }
        return { status: 204 };
    }

    #run(path: string): string | undefined {
        const mount = this.mounts.get(path)!;
        const entry = this.catalog.get(`${mount.type}@${mount.plugin_version}`);
        if (!entry) {
            return `plugin not found in the catalog: ${mount.type}`;
        }
        if (this.binaries.get(entry.command) !== entry.sha256) {
            return "checksums did not match";
        }
        mount.running_plugin_version = entry.version;
        mount.running_sha256 = entry.sha256;
        return undefined;
    }

    #object(method: string, path: string, body: Data) {
        switch (method) {
            case "POST": {
                // Writes merge, and the engine never gives the admin key back.
                this.objects.set(path, { ...this.objects.get(path), ...body });
                return { status: 204 };
            }
            case "DELETE":
                this.objects.delete(path);
                return { status: 204 };
            default: {
                const object = this.objects.get(path);
                if (!object) {
                    return { status: 404, body: { errors: [] } };
                }
                return { status: 200, body: { data: { ...object, admin_api_key: undefined } } };
            }
        }
    }
}
