// SPDX-License-Identifier: Apache-2.0
import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";

/** One request of a stand-in plugin to its server. */
export interface Request {
    method: string;
    url: URL;
    headers?: http.OutgoingHttpHeaders;
    body?: string;
    /** TLS options, and an agent that keeps connections open. */
    connection?: https.RequestOptions;
    signal?: AbortSignal;
}

/** An answer whose body is still to be read. */
export interface Answer {
    status: number;
    body: Readable;
}

/** Sends a request and resolves as soon as the head of the answer is there. */
export function send(request: Request): Promise<Answer> {
    const { method, url, headers, body, connection, signal } = request;
    const client = url.protocol === "https:" ? https : http;
    // Node frames a body by itself for some methods only; DELETE is none of them.
    const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
        const outgoing = client.request(
            url,
            { ...connection, method, headers: { ...headers, ...length }, signal },
            (incoming) => resolve({ status: incoming.statusCode ?? 0, body: incoming }),
        );
        outgoing.once("error", reject);
        outgoing.end(body);
    });
}

/** Reads a whole body as UTF-8 text. */
export async function text(body: Readable): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of body) {
        chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString("utf8");
}
