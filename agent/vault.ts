// SPDX-License-Identifier: Apache-2.0
import { FailureCode, FailureDetail, RiptidesError, Secret } from "../api";

/** One OpenBao or Vault server, as a CredentialSource names it. */
export interface VaultServer {
    /** `http(s)://host[:port]` as seen from the node. */
    address: string;
    namespace?: string;
    /** PEM certificates to trust instead of the node's own store. */
    caBundle?: string;
}

/** A token that a JWT bought. */
export interface VaultLogin {
    token: Secret;
    /** Life of the token; 0 = it does not expire. */
    ttlMs: number;
    /** Requests it is good for; 0 = any number. */
    uses: number;
}

/** What a path gave. */
export interface VaultCredential {
    /** Compact JSON of the answer's `data`, UTF-8. Overwrite it when done. */
    content: Buffer;
    /** Life of the lease; 0 = there is none. */
    leaseMs: number;
}

/** OpenBao or Vault. Every method sends one request and throws {@link VaultFailure} unless it succeeded; none retries. */
export interface Vault {
    login(server: VaultServer, mount: string, role: string, jwt: Secret, subject: string): Promise<VaultLogin>;
    read(server: VaultServer, token: Secret, path: string): Promise<VaultCredential>;
    /** Ends a token and the lease it bought. Succeeds, too, when the token is already gone. */
    revokeSelf(server: VaultServer, token: Secret): Promise<void>;
    close(): void;
}

/** How far a failure reaches: everything on that server, everything of that secrets engine, or this request. */
export type FailureScope = "server" | "engine" | "request";

/** A refusal or a fault of OpenBao, of the engine behind it, or of the way to it. Never holds a secret. */
export class VaultFailure extends RiptidesError {
    constructor(
        code: FailureCode,
        detail: FailureDetail,
        readonly scope: FailureScope = "request",
        /** What the server asked for with Retry-After; 0 = nothing. */
        readonly retryAfterMs = 0,
    ) {
        super(code, detail);
        this.name = "VaultFailure";
    }
}

const keys = new WeakMap<VaultServer, string>();

/** Which server a request speaks to, for tables by server. */
export function serverKey(server: VaultServer): string {
    let key = keys.get(server);
    if (key === undefined) {
        key = JSON.stringify([server.address, server.namespace ?? "", server.caBundle ?? ""]);
        keys.set(server, key);
    }
    return key;
}
