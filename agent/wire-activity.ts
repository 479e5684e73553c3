// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:os";
import type { WireEvent } from "./kernel";

/** What happened on the wire of one binding. Counts go on from what the status already says. */
export interface WireActivity {
    injected: number;
    refused: number;
    /** When a process last brought its own TLS, Unix milliseconds; `undefined`: not of late, or injected since. */
    ownTlsAtMs?: number;
    lastInjectedAtMs?: number;
    lastError?: string;
    /** A failed handshake after which nothing was injected, as a sentence. */
    handshake?: { text: string; atMs: number };
}

/** Before anything has happened. */
export const quiet: WireActivity = { injected: 0, refused: 0 };

// What nobody met again for so long is of the past.
const handshakeMemoryMs = 600_000;
const ownTlsMemoryMs = 3_600_000;

/** Takes an event in. Pure. */
export function withEvent(before: WireActivity, event: WireEvent): WireActivity {
    switch (event.what) {
        case "injected":
            return {
                ...before,
                injected: before.injected + 1,
                lastInjectedAtMs: event.atMs,
                handshake: undefined,
                ownTlsAtMs: undefined,
            };
        case "ownTls":
            return { ...before, ownTlsAtMs: event.atMs };
        case "refused":
            return { ...before, refused: before.refused + 1, lastError: sentence(event) };
        case "handshake":
            // A process that has its requests carried does not bring its own TLS any more.
            return {
                ...before,
                lastError: sentence(event),
                handshake: { text: sentence(event), atMs: event.atMs },
                ownTlsAtMs: undefined,
            };
        default:
            return { ...before, lastError: sentence(event) };
    }
}

/** Forgets what is of the past. Pure. */
export function forgetful(activity: WireActivity, nowMs: number): WireActivity {
    const { handshakeEndMs, ownTlsEndMs } = ends(activity);
    return {
        ...activity,
        ...(nowMs >= handshakeEndMs ? { handshake: undefined } : {}),
        ...(nowMs >= ownTlsEndMs ? { ownTlsAtMs: undefined } : {}),
    };
}

/** When there will be something to forget, Unix milliseconds; Infinity when there is nothing. */
export function fadesAtMs(activity: WireActivity): number {
    const { handshakeEndMs, ownTlsEndMs } = ends(activity);
    return Math.min(handshakeEndMs, ownTlsEndMs);
}

function ends({ handshake, ownTlsAtMs }: WireActivity) {
    return {
        handshakeEndMs: handshake ? handshake.atMs + handshakeMemoryMs : Infinity,
        ownTlsEndMs: ownTlsAtMs === undefined ? Infinity : ownTlsAtMs + ownTlsMemoryMs,
    };
}

const causes: Record<WireEvent["what"], string> = {
    none: "failed",
    injected: "was sent",
    ownTls: "brings its own TLS",
    refused: "was refused by host or rule",
    malformed: "is not a request that can be carried",
    noSecret: "came when there was no live credential",
    handshake: "failed in the TLS handshake",
    identity: "came from another process than the bound one",
    broken: "broke after the TLS handshake",
    unknown: "failed",
};

/** One sentence about an event, with place, cause, error and process. */
export function sentence({ what, error, host, port, process }: WireEvent): string {
    const place = `${host || "port"}${host ? ":" : " "}${port}`;
    const who = `${JSON.stringify(process.comm)} (pid ${process.pid}, uid ${process.uid})`;
    return `A request to ${place} ${causes[what]}${error ? `: ${errorText(error)}` : ""}. Process ${who}.`;
}

// By Linux's numbers: Node knows some of them only.
const errors = new Map([
    [13, "EACCES (access denied)"],
    [22, "EINVAL (malformed HTTP, Upgrade, CONNECT or HTTP/2)"],
    [32, "EPIPE (the connection is closed)"],
    [71, "EPROTO (protocol error: certificate refused, no TLS 1.3, or no TLS at all)"],
    [90, "EMSGSIZE (head or body too long)"],
    [104, "ECONNRESET (the server reset the connection)"],
    [110, "ETIMEDOUT (the server was silent for too long)"],
    [111, "ECONNREFUSED (the server refused the connection)"],
    [112, "EHOSTDOWN (the TLS helper is not there, or kernel TLS did not take the keys)"],
]);

function errorText(error: number): string {
    return errors.get(error) ?? names.get(error) ?? `errno ${error}`;
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
