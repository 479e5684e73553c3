// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { Secret } from "../api";
import type { BindingKey } from "../api/kernel-message";
import { keyText } from "./kernel";
import { serverKey, VaultServer } from "./vault";

/**
 * What a token is for: `pending` has bought, or is buying, a credential that is not in the kernel yet; `current` holds
 * the one in the kernel; `spent` waits for its revocation.
 */
export type TokenState = "pending" | "current" | "spent";

/** A token that holds a credential alive. */
export interface HeldToken {
    state: TokenState;
    /** Short digest of the binding's key. */
    binding: string;
    /** Of the order that it was bought for. */
    fingerprint: string;
    server: VaultServer;
    token: Secret;
    /** Unix milliseconds. */
    expiresAtMs: number;
    refreshAtMs: number;
}

/** Digest of a binding's key, as tokens carry it. */
export function bindingDigest(key: BindingKey): string {
    return createHash("sha256").update(keyText(key)).digest("hex").slice(0, 16);
}

const format = 1;
const states: TokenState[] = ["pending", "current", "spent"];
// State, binding, fingerprint, expiry, refresh, number of the server, length of the token.
const entryHead = 1 + 8 + 8 + 6 + 6 + 2 + 2;
const fileHead = 1 + 2 + 4;
const serverHead = 2 + 4;

/** Writes tokens as bytes. It remembers the bytes of each, so that one change among thousands costs little. */
export class TokenCodec {
    private readonly numbers = new Map<string, number>();
    private readonly entries = new WeakMap<HeldToken, Buffer>();

    /** At most `limit` octets: when that is too little, those that a new agent could best do without are left out. */
    encode(tokens: readonly HeldToken[], limit: number): { bytes: Buffer; left: number } {
        const whole = this.choose(tokens, limit);
        const { entries, servers, size } =
            whole.entries.length < tokens.length ? this.choose(byUrgency(tokens), limit) : whole;
        const bytes = Buffer.alloc(entries.length > 0 ? size : 0);
        if (entries.length > 0) {
            let at = bytes.writeUInt8(format, 0);
            at = bytes.writeUInt16LE(servers.size, at);
            for (const [number, text] of servers) {
                at = bytes.writeUInt16LE(number, at);
                at = bytes.writeUInt32LE(text.length, at);
                at += text.copy(bytes, at);
            }
            at = bytes.writeUInt32LE(entries.length, at);
            for (const entry of entries) {
                at += entry.copy(bytes, at);
            }
        }
        return { bytes, left: tokens.length - entries.length };
    }

    /** The token has changed, or is not needed any more. */
    forget(token: HeldToken): void {
        this.entries.get(token)?.fill(0);
        this.entries.delete(token);
    }

    private choose(tokens: readonly HeldToken[], limit: number) {
        const entries: Buffer[] = [];
        const servers = new Map<number, Buffer>();
        let size = fileHead;
        for (const token of tokens) {
            const number = this.numberOf(token.server);
            const entry = this.entryOf(token, number);
            const text = servers.has(number) ? undefined : Buffer.from(JSON.stringify(token.server), "utf8");
            const more = entry.length + (text ? serverHead + text.length : 0);
            if (size + more > limit) {
                continue;
            }
            size += more;
            entries.push(entry);
            if (text) {
                servers.set(number, text);
            }
        }
        return { entries, servers, size };
    }

    private numberOf(server: VaultServer): number {
        const key = serverKey(server);
        const number = this.numbers.get(key) ?? this.numbers.size;
        this.numbers.set(key, number);
        return number;
    }

    private entryOf(token: HeldToken, server: number): Buffer {
        let entry = this.entries.get(token);
        if (!entry) {
            const text = token.token.reveal();
            entry = Buffer.alloc(entryHead + Buffer.byteLength(text));
            let at = entry.writeUInt8(states.indexOf(token.state), 0);
            at += entry.write(token.binding, at, "hex");
            at += entry.write(token.fingerprint, at, "hex");
            at = entry.writeUIntLE(token.expiresAtMs, at, 6);
            at = entry.writeUIntLE(token.refreshAtMs, at, 6);
            at = entry.writeUInt16LE(server, at);
            at = entry.writeUInt16LE(entry.length - entryHead, at);
            entry.write(text, at, "utf8");
            this.entries.set(token, entry);
        }
        return entry;
    }
}

function byUrgency(tokens: readonly HeldToken[]): HeldToken[] {
    const urgency = { pending: 0, spent: 1, current: 2 };
    return [...tokens].sort((a, b) => urgency[a.state] - urgency[b.state] || b.expiresAtMs - a.expiresAtMs);
}

/** The inverse of {@link TokenCodec.encode}. Bytes of another format give nothing: their tokens end with their time. */
export function decodeTokens(bytes: Buffer): HeldToken[] {
    if (bytes.length === 0 || bytes.readUInt8(0) !== format) {
        return [];
    }
    let at = 1;
    const servers = new Map<number, VaultServer>();
    const serverCount = bytes.readUInt16LE(at);
    at += 2;
    for (let index = 0; index < serverCount; index++) {
        const length = bytes.readUInt32LE(at + 2);
        const text = bytes.toString("utf8", at + serverHead, at + serverHead + length);
        servers.set(bytes.readUInt16LE(at), JSON.parse(text) as VaultServer);
        at += serverHead + length;
    }
    const count = bytes.readUInt32LE(at);
    at += 4;
    const tokens: HeldToken[] = [];
    for (let index = 0; index < count; index++) {
        const length = bytes.readUInt16LE(at + entryHead - 2);
        tokens.push({
            state: states[bytes.readUInt8(at)]!,
            binding: bytes.toString("hex", at + 1, at + 9),
            fingerprint: bytes.toString("hex", at + 9, at + 17),
            expiresAtMs: bytes.readUIntLE(at + 17, 6),
            refreshAtMs: bytes.readUIntLE(at + 23, 6),
            server: servers.get(bytes.readUInt16LE(at + 29))!,
            token: new Secret(bytes.toString("utf8", at + entryHead, at + entryHead + length)),
        });
        at += entryHead + length;
    }
    return tokens;
}
