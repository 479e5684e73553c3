// SPDX-License-Identifier: Apache-2.0
import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import type { Secret } from "../../api";
import { connectionError, responseError } from "./failure";

/** Where the server is and how to be let in. */
export interface Connection {
    /** `https://host:8200` */
    address: string;
    token: Secret;
    namespace?: string;
    /** PEM certificates to trust instead of Node's own. */
    caCert?: string;
}

/** The parts of an answer that are used. */
export interface Answer {
    data: Record<string, unknown>;
    warnings: string[];
}

type Method = "GET" | "LIST" | "POST" | "DELETE";

// Above the server's own limit of 90 s for a request, so that its message comes first.
const requestMilliseconds = 100_000;
const busyTries = 4;
const busyMilliseconds = 1_000;
const maximumSockets = 8;

/** OpenBao's (and Vault's) HTTP API on a few kept connections. Every error is a RiptidesError. */
export class OpenBao {
    readonly #agent: http.Agent;
    readonly #base: URL;

    constructor(private readonly connection: Connection) {
        this.#base = new URL(connection.address);
        const options = { keepAlive: true, maxSockets: maximumSockets };
        this.#agent =
            this.#base.protocol === "https:"
                ? new https.Agent({ ...options, ca: connection.caCert })
                : new http.Agent(options);
    }

    /** @returns undefined when there is nothing at the path */
    async read(path: string, signal: AbortSignal): Promise<Record<string, unknown> | undefined> {
        return (await this.#call("GET", path, undefined, signal, true))?.data;
    }

    /** Keys below a path. */
    async list(path: string, signal: AbortSignal): Promise<string[]> {
        const answer = await this.#call("LIST", path, undefined, signal, true);
        return (answer?.data["keys"] as string[] | undefined) ?? [];
    }

    async write(path: string, body: object, signal: AbortSignal): Promise<Answer> {
        return (await this.#call("POST", path, body, signal, false))!;
    }

    /** Succeeds when there is nothing at the path. */
    async delete(path: string, signal: AbortSignal): Promise<void> {
        await this.#call("DELETE", path, undefined, signal, true);
    }

    close(): void {
        this.#agent.destroy();
    }

    async #call(
        method: Method,
        path: string,
        body: object | undefined,
        signal: AbortSignal,
        absentIsFine: boolean,
    ): Promise<Answer | undefined> {
        for (let attempt = 1; ; attempt++) {
            const { status, text, retryAfter } = await this.#send(method, path, body, signal);
            const parsed = parse(text);
            const errors = parsed?.errors ?? [];
            if (status >= 200 && status < 300) {
                return { data: parsed?.data ?? {}, warnings: parsed?.warnings ?? [] };
            }
            if (status === 404 && absentIsFine && errors.length === 0) {
                return undefined;
            }
            // A raft node without a leader says so with a 500 for a second or two after unsealing.
            const busy = status === 429 || errors.some((error) => error.includes("active cluster node not found"));
            if (!busy || attempt === busyTries) {
                throw responseError(`${method} ${path}`, this.connection.address, status, errors, text);
            }
            await delay(retryAfter ?? busyMilliseconds * attempt, undefined, { signal }).catch((error: unknown) => {
                signal.throwIfAborted();
                throw error;
            });
        }
    }

    #send(method: Method, path: string, body: object | undefined, signal: AbortSignal, again = true): Promise<Reply> {
        const url = new URL(`${this.#base.pathname.replace(/\/$/, "")}/v1/${path}`, this.#base);
        const content = body === undefined ? undefined : JSON.stringify(body);
        const secure = url.protocol === "https:";
        return new Promise((resolve, reject) => {
            const fail = (error: NodeJS.ErrnoException) => {
                if (signal.aborted) {
                    reject(signal.reason as Error);
                } else if (again && request.reusedSocket && error.code === "ECONNRESET") {
                    // The server closed a kept connection as we used it. Every request of ours may be sent twice.
                    resolve(this.#send(method, path, body, signal, false));
                } else {
                    reject(connectionError(this.connection.address, error));
                }
            };
            const request = (secure ? https : http).request(
                url,
                {
                    method,
                    agent: this.#agent,
                    signal,
                    headers: {
                        "X-Vault-Token": this.connection.token.reveal(),
                        "X-Vault-Request": "true",
                        ...(this.connection.namespace ? { "X-Vault-Namespace": this.connection.namespace } : {}),
                        ...(content === undefined
                            ? {}
                            : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(content) }),
                    },
                },
                (response) => {
                    const chunks: Buffer[] = [];
                    response.on("data", (chunk: Buffer) => chunks.push(chunk));
                    response.on("error", fail);
                    response.on("end", () => {
                        const seconds = Number(response.headers["retry-after"]);
                        resolve({
                            status: response.statusCode ?? 0,
                            text: Buffer.concat(chunks).toString("utf8"),
                            retryAfter: seconds > 0 ? seconds * 1_000 : undefined,
                        });
                    });
                },
            );
            request.setTimeout(requestMilliseconds, () =>
                request.destroy(new Error(`no answer within ${requestMilliseconds / 1_000} s`)),
            );
            request.on("error", fail);
            request.end(content);
        });
    }
}

interface Reply {
    status: number;
    text: string;
    retryAfter?: number;
}

interface Envelope {
    data?: Record<string, unknown> | null;
    warnings?: string[] | null;
    errors?: string[];
}

function parse(text: string): Envelope | undefined {
    try {
        const value: unknown = JSON.parse(text);
        return typeof value === "object" && value !== null ? (value as Envelope) : undefined;
    } catch {
        return undefined;
    }
}
