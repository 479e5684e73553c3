// SPDX-License-Identifier: Apache-2.0
import { request } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../../lab";

/** An answer of a server, its body parsed when it is JSON. */
export interface Answer {
    status: number;
    body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- bodies of three servers, looked into by assertions only
}

/** Asks OpenBao as its administrator. */
export function askBao(lab: Lab, path: string, method = "GET", body?: unknown): Promise<Answer> {
    return ask(`${lab.bao.address}/v1/${path}`, lab.bao.caPem, { "X-Vault-Token": lab.bao.token }, method, body);
}

/** Asks the Kubernetes API as its administrator. */
export function askKube(lab: Lab, path: string, method = "GET", body?: unknown): Promise<Answer> {
    return ask(
        `${lab.kube.server}${path}`,
        lab.kube.caPem,
        { Authorization: `Bearer ${lab.kube.token}` },
        method,
        body,
    );
}

/** What the simulator has: accounts and keys by id, never their values. */
export interface SimulatorState {
    accounts: { id: string; name: string; project: string; key_id: string; first_used_ms: number }[];
    live_keys: number;
    /** Keys that were deleted, with the times of their first use and their end, in milliseconds since 1970. */
    ended_keys: { key_id: string; first_used_ms: number; ended_ms: number }[];
}

/** Asks the simulator's control port. */
export async function simulatorState(lab: Lab): Promise<SimulatorState> {
    const answer = await fetch(`${lab.simulator.control}/state`);
    return (await answer.json()) as SimulatorState;
}

/** Repeats a check until it holds. @throws the check's last error after the deadline */
export async function eventually<T>(check: () => Promise<T>, deadlineMs: number): Promise<T> {
    const end = Date.now() + deadlineMs;
    for (;;) {
        try {
            return await check();
        } catch (error) {
            if (Date.now() > end) {
                throw error;
            }
            // The parts watched here (a journal in a guest, a simulator's list) have no event to wait for.
            await delay(250);
        }
    }
}

function ask(
    url: string,
    ca: string,
    headers: Record<string, string>,
    method: string,
    body?: unknown,
): Promise<Answer> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    return new Promise((done, failed) => {
        const sent = request(url, { ca, method, headers: { ...headers, "Content-Type": type } }, (answer) => {
            let text = "";
            answer.setEncoding("utf8");
            answer.on("data", (part: string) => (text += part));
            answer.once("end", () => {
                let parsed: unknown = text;
                try {
                    parsed = JSON.parse(text);
                } catch {
                    // Not JSON: the text itself is the body.
                }
                done({ status: answer.statusCode ?? 0, body: parsed });
            });
            answer.once("error", failed);
        });
        sent.once("error", failed);
        sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
