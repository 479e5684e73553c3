// SPDX-License-Identifier: Apache-2.0
import type { BindingKey, KernelFacts, KernelMessage, KernelStats } from "../api/kernel-message";

/** A binding as the kernel checks it: a reader must satisfy one of the alternatives. */
export interface KernelBinding {
    key: BindingKey;
    alternatives: KernelFacts[];
}

/** What the module tells unasked. */
export type KernelEvent = Extract<KernelMessage, { kind: "grant" | "deny" | "expire" | "wire" | "lost" }>;

/**
 * The kernel module. Methods that change something take effect before they return; they throw RiptidesError
 * `KernelModule` when the module refuses, and then nothing has changed.
 */
export interface Kernel {
    readonly moduleVersion: string;
    /** Most bindings a table holds, and most octets of a content and of the kept bytes. */
    readonly limits: { bindings: number; content: number; blob: number };
    /** Puts a whole table of bindings in force. Bindings that stay keep their content, the others are wiped. */
    commit(table: readonly KernelBinding[]): void;
    /** Publishes or replaces the content of a binding of the table in one step. Overwrites `content` with zeros. */
    publish(key: BindingKey, expiresAtMs: number, content: Buffer): void;
    /** Forgets the content of a binding. */
    wipe(key: BindingKey): void;
    /** Leaves bytes with the module: in memory, readable by the agent only, lost when the module is unloaded. */
    keep(bytes: Buffer): void;
    /** The bytes of the last {@link Kernel.keep}; empty when there are none. */
    kept(): Promise<Buffer>;
    stats(): Promise<KernelStats>;
    onEvent(listener: (event: KernelEvent) => void): void;
    /** Called once if the conversation ends without {@link Kernel.close}. */
    onLost(listener: (reason: string) => void): void;
    /** Ends the conversation. Table and contents stay in force. */
    close(): Promise<void>;
}

/** One key for maps. */
export function keyText(key: BindingKey): string {
    return `${key.workload}/${key.binding}`;
}
