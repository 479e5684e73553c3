// SPDX-License-Identifier: Apache-2.0
import { FailureDetail, RiptidesError } from "../api";
import type {
    BindingKey,
    KernelFacts,
    KernelInjection,
    KernelMessage,
    KernelSecret,
    KernelStats,
} from "../api/kernel-message";

/** A binding as the kernel checks it: a process must satisfy one of the alternatives. */
export interface KernelBinding {
    key: BindingKey;
    alternatives: KernelFacts[];
    delivery: { file: boolean; wire: boolean };
    /** Empty unless the delivery is by wire. */
    injections: readonly KernelInjection[];
}

/** What a binding delivers: what its file shows, what its injections add, or both. */
export interface KernelCredential {
    content?: Buffer;
    secret?: KernelSecret;
}

/** What the module tells unasked. */
export type KernelEvent = Extract<KernelMessage, { kind: "grant" | "deny" | "expire" | "wire" | "lost" }>;

/** {@link KernelEvent} of a connection. */
export type WireEvent = Extract<KernelMessage, { kind: "wire" }>;

/**
 * The kernel module. Methods that change something take effect before they return; they throw RiptidesError
 * `KernelModule` when the module refuses, and then nothing has changed.
 */
export interface Kernel {
    readonly moduleVersion: string;
    /** Most bindings and injections a table holds, and most octets of a content and of the kept bytes. */
    readonly limits: { bindings: number; injections: number; content: number; blob: number };
    /** Puts a whole table of bindings in force. Bindings that stay keep their credential, the others are wiped. */
    commit(table: readonly KernelBinding[]): void;
    /**
     * Publishes or replaces what a binding of the table delivers. Overwrites the credential with zeros.
     * @throws HalfPublished when only a part could be published: then the binding is wiped
     */
    publish(key: BindingKey, expiresAtMs: number, credential: KernelCredential): void;
    /** Forgets what a binding delivers. */
    wipe(key: BindingKey): void;
    /** Leaves bytes with the module: in memory, readable by the agent only, lost when the module is unloaded. */
    keep(bytes: Buffer): void;
    /** The bytes of the last {@link Kernel.keep}; empty when there are none. */
    kept(): Promise<Buffer>;
    stats(): Promise<KernelStats>;
    onEvent(listener: (event: KernelEvent) => void): void;
    /** Called once if the conversation ends without {@link Kernel.close}. */
    onLost(listener: (reason: string) => void): void;
    /** Ends the conversation. Table and credentials stay in force. */
    close(): Promise<void>;
}

/** File and wire would have told of different credentials: the binding has neither now. */
export class HalfPublished extends RiptidesError {
    constructor(detail: FailureDetail) {
        super("KernelModule", detail);
        this.name = "HalfPublished";
    }
}

/** One key for maps. */
export function keyText(key: BindingKey): string {
    return `${key.workload}/${key.binding}`;
}

/** Overwrites a credential with zeros. */
export function overwrite({ content, secret }: KernelCredential): void {
    content?.fill(0);
    if (secret?.kind === "header") {
        secret.value.fill(0);
    } else if (secret) {
        [secret.accessKey, secret.secretKey, secret.sessionToken].forEach((bytes) => bytes?.fill(0));
    }
}
