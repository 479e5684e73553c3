// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** One request of a stand-in to its server, and the answer. Headers, and with them tokens, are not kept. */
interface Exchange {
    request: string;
    status: number;
    answer: string;
}

/** A server that listens on 127.0.0.1. */
export interface Listening {
    address: string;
    stop(): Promise<void>;
}

function tapeOf(name: string): string {
    return join(__dirname, "recorded", `${name}-server.jsonl`);
}

/**
 * Plays what a real server once answered. Equal requests get their answers in the order of the recording; a request that
 * was not recorded is answered with 599, which no stand-in takes for anything but a failure.
 */
export async function play(name: string): Promise<Listening> {
    const lines = readFileSync(tapeOf(name), "utf8").trimEnd().split("\n");
    const waiting = new Map<string, Exchange[]>();
    for (const exchange of lines.map((line) => JSON.parse(line) as Exchange)) {
        waiting.set(exchange.request, [...(waiting.get(exchange.request) ?? []), exchange]);
    }
    return listen(async (incoming, outgoing) => {
        const request = await keyOf(incoming);
        const exchange = waiting.get(request)?.shift();
        outgoing.writeHead(exchange?.status ?? 599);
        outgoing.end(exchange?.answer ?? `not recorded: ${request}`);
    });
}

/** Stands between a stand-in and a real server and records what they say. */
export async function record(name: string, server: string): Promise<Listening> {
    writeFileSync(tapeOf(name), "");
    const client = server.startsWith("https:") ? https : http;
    return listen(async (incoming, outgoing) => {
        const body = await text(incoming);
        const headers = { ...incoming.headers, host: new URL(server).host };
        const options = { method: incoming.method, headers, rejectUnauthorized: false };
        const onward = client.request(new URL(incoming.url!, server), options, (answered) => {
            outgoing.writeHead(answered.statusCode!);
            let answer = "";
            answered.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
            answered.pipe(outgoing);
            // A watch ends when the stand-in has seen enough.
            outgoing.once("close", () => {
                onward.destroy();
                const request = `${incoming.method} ${incoming.url} ${body}`.trimEnd();
                appendFileSync(tapeOf(name), `${JSON.stringify({ request, status: answered.statusCode, answer })}\n`);
            });
        });
        onward.once("error", () => outgoing.destroy());
        onward.end(body);
    });
}

/** Serves each request with a function of it. */
export async function listen(
    answer: (incoming: http.IncomingMessage, outgoing: http.ServerResponse) => Promise<void> | void,
): Promise<Listening> {
    const server = http.createServer((incoming, outgoing) => {
        Promise.resolve(answer(incoming, outgoing)).catch((error: unknown) => {
            outgoing.writeHead(599);
            outgoing.end(String(error));
        });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return {
        address: `http://127.0.0.1:${port}`,
        stop: () =>
            new Promise((resolve) => {
                server.close(() => resolve());
                server.closeAllConnections();
            }),
    };
}

async function keyOf(incoming: http.IncomingMessage): Promise<string> {
    return `${incoming.method} ${incoming.url} ${await text(incoming)}`.trimEnd();
}

/** Reads a whole body. */
export async function text(body: Readable): Promise<string> {
    let whole = "";
    for await (const chunk of body.setEncoding("utf8")) {
        whole += String(chunk);
    }
    return whole;
}
