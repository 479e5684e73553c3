// SPDX-License-Identifier: Apache-2.0
// An AI agent, as small as one can be: it lists the models it may use, again and again, with whatever key is in its file
// at that moment. It knows nothing of OpenBao, Kubernetes or this package.
import { readFile } from "node:fs/promises";
import OpenAI, { APIError } from "openai";

/** The file is the `data` of the secrets engine's answer. */
interface Credential {
    api_key: string;
    api_key_id: string;
}

/** One line of output for each call. Never holds the key. */
interface Call {
    at: string;
    ok: boolean;
    /** HTTP status. */
    status?: number;
    /** How many models were listed. */
    models?: number;
    keyId?: string;
    /** Names of the fields of the file. */
    fields?: string[];
    /** Why the file could not be read, such as `EACCES`. */
    readError?: string;
    error?: string;
}

const keyFile = process.argv[2] ?? process.env["AI_AGENT_KEY_FILE"];
const intervalMs = Number(process.env["AI_AGENT_INTERVAL_MS"] ?? 10_000);
const once = process.env["AI_AGENT_ONCE"] === "1";

async function call(file: string): Promise<Call> {
    const at = new Date().toISOString();
    const seen: Partial<Call> = {};
    let readError: Call["readError"];
    const client = new OpenAI({
        baseURL: process.env["OPENAI_BASE_URL"] ?? "https://api.openai.com/v1",
        maxRetries: 0,
        timeout: 30_000,
        // Asked before every request, so a key that was replaced meanwhile is never used.
        apiKey: async () => {
            try {
                const credential = JSON.parse(await readFile(file, "utf8")) as Credential;
                Object.assign(seen, { keyId: credential.api_key_id, fields: Object.keys(credential) });
                return credential.api_key;
            } catch (error) {
                readError = (error as NodeJS.ErrnoException).code ?? "the file is not whole JSON";
                throw error;
            }
        },
    });
    try {
        const { data, response } = await client.models.list().withResponse();
        return { at, ok: true, status: response.status, models: data.data.length, ...seen };
    } catch (error) {
        if (readError !== undefined) {
            return { at, ok: false, readError };
        }
        const status = error instanceof APIError ? error.status : undefined;
        return { at, ok: false, ...(status === undefined ? {} : { status }), ...seen, error: reason(error) };
    }
}

// A server's message may quote the key it refused.
function reason(error: unknown): string {
    if (error instanceof APIError && error.status !== undefined) {
        return `HTTP ${error.status}`;
    }
    const cause = (error as { cause?: { code?: string; cause?: { code?: string } } }).cause;
    return cause?.cause?.code ?? cause?.code ?? (error as Error).name;
}

async function main(): Promise<void> {
    if (!keyFile || !Number.isFinite(intervalMs) || intervalMs < 1) {
        console.error("usage: ai-agent <key file>   (or AI_AGENT_KEY_FILE; AI_AGENT_INTERVAL_MS, AI_AGENT_ONCE=1)");
        process.exitCode = 2;
        return;
    }
    if (once) {
        const made = await call(keyFile);
        console.log(JSON.stringify(made));
        process.exitCode = made.ok ? 0 : 1;
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
    const run = async (file: string) => {
        console.log(JSON.stringify(await call(file)));
        if (!stopping) {
            timer = setTimeout(() => void run(file), intervalMs);
        }
    };
    await run(keyFile);
}

void main();
