// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { root } from "../suites";

/** A version of the engine in the server's plugin_directory; `version` is without "v". */
export interface BuiltPlugin {
    command: string;
    sha256: string;
    version: string;
}

interface Said {
    address: string;
    token: string;
    config: Record<string, unknown>;
    project: string;
    endpoint: string;
    plugins: [BuiltPlugin, BuiltPlugin];
}

interface Answer {
    status: number;
    data: Record<string, unknown>;
    leaseId: string;
    errors: string[];
}

/** A real OpenBao with two versions of the engine to be registered, and a simulated OpenAI. */
export class Stand {
    private constructor(
        private readonly child: ChildProcess,
        readonly said: Said,
    ) {}

    static async start(): Promise<Stand> {
        const child = spawn("go", ["run", "./stand/serve"], {
            cwd: join(root, "engine"),
            stdio: ["pipe", "pipe", "inherit"],
        });
        for await (const line of createInterface({ input: child.stdout })) {
            return new Stand(child, JSON.parse(line) as Said);
        }
        throw new Error("the stand has ended before it was up");
    }

    async stop(): Promise<void> {
        const ended = once(this.child, "close");
        this.child.stdin?.end();
        await ended;
    }

    /** A request to the server; `path` is what comes after /v1/. */
    async ask(method: string, path: string, body?: unknown): Promise<Answer> {
        const answer = await fetch(`${this.said.address}/v1/${path}`, {
            method,
            headers: { "X-Vault-Token": this.said.token },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await answer.text();
        const said = (text === "" ? {} : JSON.parse(text)) as Partial<Record<string, unknown>>;
        return {
            status: answer.status,
            data: (said["data"] ?? {}) as Record<string, unknown>,
            leaseId: String(said["lease_id"] ?? ""),
            errors: (said["errors"] ?? []) as string[],
        };
    }

    /** `ask` for a request that must succeed. */
    async must(method: string, path: string, body?: unknown): Promise<Answer> {
        const answer = await this.ask(method, path, body);
        if (answer.status >= 300)
            throw new Error(`${method} ${path}: ${answer.status}: ${answer.errors.join("; ")}`);
        return answer;
    }

    /** Whether OpenAI takes a key. */
    async lives(key: string): Promise<boolean> {
        const answer = await fetch(`${this.said.endpoint}/models`, { headers: { Authorization: `Bearer ${key}` } });
        await answer.text();
        return answer.status === 200;
    }
}
