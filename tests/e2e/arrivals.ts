// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Lab } from "../../lab";

/** A request as the simulator saw it: what a key bought, never the key. */
export interface Arrival {
    /** Milliseconds since 1970, on this machine's clock. */
    at_ms: number;
    host: string;
    /** Requests with the same one came over the same connection. */
    connection: string;
    method: string;
    path: string;
    status: number;
    /** Names of the header fields that carry or sign a credential. */
    headers: string[];
    /** How many Authorization fields it had. */
    authorizations: number;
    /** Id of the live OpenAI key that was sent, or the access key that has signed right. */
    key_id?: string;
    /** `verified`, or why not. */
    signature?: string;
    /** How the body was signed: `hashed` or `unsigned`. */
    payload?: string;
}

/** The latest requests, oldest first, without those of the secrets engine. */
export async function arrivals(lab: Lab): Promise<Arrival[]> {
    const answer = await fetch(`${lab.simulator.control}/arrivals`);
    assert.equal(answer.status, 200);
    return ((await answer.json()) as Arrival[]).filter(({ path }) => !path.startsWith("/v1/organization/"));
}

/** Forgets the requests that came so far. */
export async function forgetArrivals(lab: Lab): Promise<void> {
    assert.equal((await fetch(`${lab.simulator.control}/arrivals`, { method: "DELETE" })).status, 204);
}
