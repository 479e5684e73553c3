// SPDX-License-Identifier: Apache-2.0
// An AI agent that has no key and wants none: the official client, told that the API is plain HTTP and that its key is
// "riptides". In each round it lists models, asks for a completion, and tries to list files, which it may not.
import OpenAI, { APIError } from "openai";

/** One line of output for each call. */
interface Call {
    at: string;
    call: string;
    ok: boolean;
    /** HTTP status; absent when no answer came. */
    status?: number;
    models?: number;
    /** What the model said. */
    reply?: string;
    /** `EACCES` when the kernel lets the request not leave. */
    error?: string;
}

type Result = Pick<Call, "status" | "models" | "reply">;

const client = new OpenAI({
    // Port 443 of plain HTTP: what this process writes there, the kernel carries over TLS.
    baseURL: process.env["OPENAI_BASE_URL"] ?? "http://api.openai.com:443/v1",
    apiKey: "riptides",
    maxRetries: 0,
    timeout: 30_000,
});
const intervalMs = Number(process.env["WIRE_AGENT_INTERVAL_MS"] ?? 10_000);
const once = process.env["WIRE_AGENT_ONCE"] === "1";
const names = (process.env["WIRE_AGENT_CALLS"] ?? "models,chat,files").split(",");

const calls: Record<string, () => Promise<Result>> = {
    models: async () => {
        const { data, response } = await client.models.list().withResponse();
        return { status: response.status, models: data.data.length };
    },
    chat: async () => {
        const { data, response } = await client.chat.completions
            .create({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Say hello." }] })
            .withResponse();
        return { status: response.status, reply: data.choices[0]?.message.content ?? "" };
    },
    files: async () => {
        const { response } = await client.files.list().withResponse();
        return { status: response.status };
    },
};

async function make(name: string): Promise<Call> {
    const at = new Date().toISOString();
    try {
        return { at, call: name, ok: true, ...(await calls[name]!()) };
    } catch (error) {
        const status = error instanceof APIError ? error.status : undefined;
        return { at, call: name, ok: false, ...(status === undefined ? {} : { status }), error: reason(error) };
    }
}

// A server's message may quote the key it refused.
function reason(error: unknown): string {
    if (error instanceof APIError && error.status !== undefined) {
        return `HTTP ${error.status}`;
    }
    for (let cause: unknown = error; cause; cause = (cause as { cause?: unknown }).cause) {
        const { code } = cause as { code?: string };
        if (code !== undefined) {
            return code;
        }
    }
    return (error as Error).name;
}

async function main(): Promise<void> {
    const unknown = names.find((name) => !(name in calls));
    if (unknown !== undefined || !Number.isFinite(intervalMs) || intervalMs < 1) {
        console.error(
            `usage: wire-agent   (WIRE_AGENT_CALLS of ${Object.keys(calls).join(",")}; WIRE_AGENT_INTERVAL_MS, WIRE_AGENT_ONCE=1)`,
        );
        process.exitCode = 2;
        return;
    }
    let timer: NodeJS.Timeout | undefined;
    let stopping = false;
    const stop = () => {
        stopping = true;
        clearTimeout(timer);
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
    const round = async () => {
        for (const name of names) {
            const made = await make(name);
            console.log(JSON.stringify(made));
            if (once && !made.ok) {
                process.exitCode = 1;
            }
        }
        if (!once && !stopping) {
            timer = setTimeout(() => void round(), intervalMs);
        }
    };
    await round();
}

void main();
