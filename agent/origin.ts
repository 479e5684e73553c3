// SPDX-License-Identifier: Apache-2.0
import * as http from "node:http";
import * as https from "node:https";

/** What came back. */
export interface Answer {
    status: number;
    headers: http.IncomingHttpHeaders;
    body: Buffer;
}

export interface OriginRequest {
    method: string;
    /** Path and query, starting with `/`. */
    path: string;
    headers?: Record<string, string>;
    body?: string;
    /** For the whole exchange, milliseconds. */
    timeoutMs: number;
}

/** No answer came: the connection failed, was cut, or took too long. `code` is the system's, such as `ECONNREFUSED`. */
export class NoAnswer extends Error {
    constructor(
        readonly code: string,
        message: string,
    ) {
        super(message);
        this.name = "NoAnswer";
    }
}

const longestBody = 4 * 1024 * 1024;
const idleMs = 30_000;

/** One HTTP server, with connections kept for reuse. */
export class Origin {
    readonly agent: http.Agent;
    private readonly base: URL;

    /**
     * @param address `http(s)://host[:port]`
     * @param certificateAuthority PEM, instead of the trust store that Node was started with
     */
    constructor(address: string, certificateAuthority?: string) {
        this.base = new URL(address);
        const options = { keepAlive: true, maxSockets: 8, maxFreeSockets: 2, timeout: idleMs };
        this.agent =
            this.base.protocol === "https:"
                ? new https.Agent({ ...options, ...(certificateAuthority ? { ca: certificateAuthority } : {}) })
                : new http.Agent(options);
    }

    /** Sends one request; any status is an answer. @throws NoAnswer */
    request(request: OriginRequest): Promise<Answer> {
        return new Promise((resolve, reject) => {
            const fail = (code: string, message: string) => reject(new NoAnswer(code, message));
            const sent = (this.base.protocol === "https:" ? https : http).request(
                new URL(request.path, this.base),
                {
                    method: request.method,
                    agent: this.agent,
                    headers: {
                        ...request.headers,
                        ...(request.body === undefined ? {} : { "content-length": Buffer.byteLength(request.body) }),
                    },
                },
                (response) => {
                    const parts: Buffer[] = [];
                    let length = 0;
                    response.on("data", (part: Buffer) => {
                        parts.push(part);
                        length += part.length;
                        if (length > longestBody) {
                            sent.destroy(new Error(`the answer is longer than ${longestBody} octets`));
                        }
                    });
                    response.on("end", () => {
                        clearTimeout(deadline);
                        const body = Buffer.concat(parts);
                        // Of an answer with a secret, `body` is to be the only copy.
                        parts.forEach((part) => part.fill(0));
                        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
                    });
                    response.on("aborted", () => fail("ECONNRESET", "the connection was cut during the answer"));
                },
            );
            const deadline = setTimeout(
                () => sent.destroy(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" })),
                request.timeoutMs,
            );
            sent.on("error", (error: NodeJS.ErrnoException) => {
                clearTimeout(deadline);
                fail(error.code ?? "EIO", error.message);
            });
            sent.end(request.body);
        });
    }

    close(): void {
        this.agent.destroy();
    }
}
