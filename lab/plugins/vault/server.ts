// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { send, text } from "../http";

/** How to reach OpenBao or Vault. */
export interface ServerOptions {
    address: string;
    token: string;
    /** Namespace of the provider; that of a resource is below it. */
    namespace?: string;
    caCertFile?: string;
    tlsServerName?: string;
    skipTlsVerify?: boolean;
    /** How often a request is repeated after no answer or a 5xx. Default 2. */
    maxRetries?: number;
}

/** Fields of an API answer or request. */
export type Fields = { [key: string]: unknown };

/** The server refused; the message shows method, path, code and the server's own words, as Vault's own client does. */
export class ServerError extends Error {
    constructor(
        method: string,
        url: URL,
        readonly status: number,
        readonly errors: readonly string[],
    ) {
        const words = errors.map((error) => `* ${error}`).join("\n");
        super(
            `Error making API request.\n\nURL: ${method} ${url.href}\nCode: ${status}.` +
                (words && ` Errors:\n\n${words}`),
        );
        this.name = "ServerError";
    }
}

const firstPauseMs = 1000;

/** The HTTP API of one OpenBao or Vault server. */
export class Server {
    readonly #options: ServerOptions;
    readonly #connection: https.RequestOptions;

    constructor(options: ServerOptions) {
        this.#options = options;
        const agent = options.address.startsWith("https:")
            ? new https.Agent({ keepAlive: true })
            : new http.Agent({ keepAlive: true });
        this.#connection = {
            agent,
            ...(options.caCertFile && { ca: readFileSync(options.caCertFile) }),
            ...(options.tlsServerName && { servername: options.tlsServerName }),
            ...(options.skipTlsVerify && { rejectUnauthorized: false }),
        };
    }

    /** The fields at a path; undefined where nothing is (404). */
    async read(path: string, namespace: string | undefined, signal: AbortSignal): Promise<Fields | undefined> {
        try {
            return (await this.#request("GET", path, namespace, undefined, signal)) ?? {};
        } catch (error) {
            if (error instanceof ServerError && error.status === 404) {
                return undefined;
            }
            throw error;
        }
    }

    /** Writes fields to a path and gives back the answer's, if it has any. */
    write(
        path: string,
        namespace: string | undefined,
        fields: Fields,
        signal: AbortSignal,
    ): Promise<Fields | undefined> {
        return this.#request("POST", path, namespace, fields, signal);
    }

    /** Deletes what is at a path. What is gone already is no error. */
    async delete(path: string, namespace: string | undefined, signal: AbortSignal): Promise<void> {
        try {
            await this.#request("DELETE", path, namespace, undefined, signal);
        } catch (error) {
            if (!(error instanceof ServerError && error.status === 404)) {
                throw error;
            }
        }
    }

    async #request(
        method: string,
        path: string,
        namespace: string | undefined,
        fields: Fields | undefined,
        signal: AbortSignal,
    ): Promise<Fields | undefined> {
        const url = new URL(`/v1/${path.split("/").map(encodeURIComponent).join("/")}`, this.#options.address);
        const within = [this.#options.namespace, namespace].filter(Boolean).join("/");
        for (let attempt = 0; ; attempt++) {
            const last = attempt >= (this.#options.maxRetries ?? 2);
            try {
                const answer = await send({
                    method,
                    url,
                    headers: {
                        "X-Vault-Token": this.#options.token,
                        "X-Vault-Request": "true",
                        ...(within && { "X-Vault-Namespace": within }),
                        ...(fields && { "Content-Type": "application/json" }),
                    },
                    ...(fields && { body: JSON.stringify(fields) }),
                    connection: this.#connection,
                    signal,
                });
                const body = await text(answer.body);
                if (answer.status < 400) {
                    const reply = body ? (JSON.parse(body) as { data?: Fields | null }) : {};
                    return reply.data ?? undefined;
                }
                if (answer.status < 500 || answer.status === 501 || last) {
                    throw new ServerError(method, url, answer.status, errorsOf(body));
                }
            } catch (error) {
                if (error instanceof ServerError || signal.aborted) {
                    throw error;
                }
                if (last) {
                    throw new Error(
                        `no answer from the Vault server: ${method} ${url.href}: ${reasonOf(error)}. ` +
                            "Check that it runs and that address, caCertFile and network path to it are right.",
                        { cause: error },
                    );
                }
            }
            await pause(firstPauseMs * 2 ** attempt, undefined, { signal });
        }
    }
}

// Where several addresses of a host were tried, Node's error has a code but no message.
function reasonOf(error: unknown): string {
    const { message, code } = error as NodeJS.ErrnoException;
    return message || String(code);
}

function errorsOf(body: string): string[] {
    try {
        const { errors = [] } = JSON.parse(body) as { errors?: string[] };
        return errors;
    } catch {
        return [body.slice(0, 500)];
    }
}

/** Reads the token that `vault login` or `bao login` left behind; undefined when there is none. */
export function tokenOfLogin(): string | undefined {
    try {
        return readFileSync(join(homedir(), ".vault-token"), "utf8").trim() || undefined;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") {
            return undefined;
        }
        throw error;
    }
}
