// SPDX-License-Identifier: Apache-2.0
// A process that uses S3 with no SDK and no AWS credentials: it writes plain HTTP to port 443, and the kernel signs each
// request and carries it over TLS. In each round it puts an object, reads it back, and tries to delete it, which it may not.
import { Agent, request } from "node:http";

/** One line of output for each request. */
interface Call {
    at: string;
    call: string;
    ok: boolean;
    /** HTTP status; absent when no answer came. */
    status?: number;
    /** Whether what was read is what was put. */
    same?: boolean;
    /** `EACCES` when the kernel lets the request not leave; S3's own code when it refused. */
    error?: string;
}

const endpoint = process.env["S3_ENDPOINT"] ?? "http://s3.us-east-1.amazonaws.com:443";
const bucket = process.env["S3_UPLOADER_BUCKET"];
const intervalMs = Number(process.env["S3_UPLOADER_INTERVAL_MS"] ?? 10_000);
const once = process.env["S3_UPLOADER_ONCE"] === "1";
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function send(method: string, body?: string): Promise<{ status: number; body: string }> {
    return new Promise((done, failed) => {
        const headers = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
        const sent = request(
            `${endpoint}/${bucket}/notes/latest.txt`,
            { method, agent, headers, timeout: 30_000 },
            (answer) => {
                let text = "";
                answer.setEncoding("utf8");
                answer.on("data", (part: string) => (text += part));
                answer.once("end", () => done({ status: answer.statusCode ?? 0, body: text }));
                answer.once("error", failed);
            },
        );
        sent.once("timeout", () => sent.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
        sent.once("error", failed);
        sent.end(body);
    });
}

async function make(name: string, method: string, body: string | undefined, wanted?: string): Promise<Call> {
    const at = new Date().toISOString();
    try {
        const answer = await send(method, body);
        const ok = answer.status >= 200 && answer.status < 300;
        return {
            at,
            call: name,
            ok,
            status: answer.status,
            ...(ok && wanted !== undefined ? { same: answer.body === wanted } : {}),
            ...(ok ? {} : { error: /<Code>([A-Za-z0-9]+)<\/Code>/.exec(answer.body)?.[1] ?? `HTTP ${answer.status}` }),
        };
    } catch (error) {
        return { at, call: name, ok: false, error: (error as NodeJS.ErrnoException).code ?? (error as Error).name };
    }
}

async function main(): Promise<void> {
    if (!bucket || !Number.isFinite(intervalMs) || intervalMs < 1) {
        console.error(
            "usage: S3_UPLOADER_BUCKET=<bucket> s3-uploader   (S3_ENDPOINT, S3_UPLOADER_INTERVAL_MS, S3_UPLOADER_ONCE=1)",
        );
        process.exitCode = 2;
        return;
    }
    let timer: NodeJS.Timeout | undefined;
    let stopping = false;
    const stop = () => {
        stopping = true;
        clearTimeout(timer);
        agent.destroy();
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
    const round = async () => {
        const note = `written at ${new Date().toISOString()}`;
        const made = [
            () => make("put", "PUT", note),
            () => make("get", "GET", undefined, note),
            () => make("delete", "DELETE", undefined),
        ];
        for (const next of made) {
            const call = await next();
            console.log(JSON.stringify(call));
            if (once && !call.ok) {
                process.exitCode = 1;
            }
        }
        if (!once && !stopping) {
            timer = setTimeout(() => void round(), intervalMs);
        } else {
            agent.destroy();
        }
    };
    await round();
}

void main();
