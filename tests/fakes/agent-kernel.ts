// SPDX-License-Identifier: Apache-2.0
import { Kernel, KernelBinding, KernelEvent, keyText } from "../../agent/kernel";
import { RiptidesError } from "../../api";
import {
    BindingKey,
    DenyReason,
    denyReasons,
    encodeBinding,
    kernelLimits,
    wireKinds,
    KernelStats,
} from "../../api/kernel-message";
import type { FakeClock } from "./agent-clock";

interface Content {
    text: string;
    expiresAtMs: number;
}

/** The module's rules without a kernel. It outlives agents: `reopen()` is a new agent opening the device. */
export class FakeKernel implements Kernel {
    readonly moduleVersion = "0.1.0-fake";
    limits: Kernel["limits"] = { ...kernelLimits };
    table: readonly KernelBinding[] = [];
    commits = 0;
    blob = Buffer.alloc(0);
    /** Thrown by commit and publish until taken away. */
    fault?: RiptidesError;
    /** Every content in order of publishing. */
    readonly published: { binding: string; text: string; atMs: number }[] = [];
    private readonly contents = new Map<string, Content>();
    private readonly wire = Object.fromEntries(wireKinds.map((kind) => [kind, 0n])) as KernelStats["wire"];
    private readonly denied = Object.fromEntries(denyReasons.map((reason) => [reason, 0n])) as KernelStats["denied"];
    private listeners: ((event: KernelEvent) => void)[] = [];
    private events = 0n;

    constructor(private readonly clock: FakeClock) {}

    reopen(): this {
        this.listeners = [];
        return this;
    }

    /** What a bound process reads; `undefined` when there is nothing to read. */
    content(binding: string): Record<string, string> | undefined {
        const entry = this.table.find(({ key }) => key.binding === binding);
        const content = entry && this.contents.get(keyText(entry.key));
        return content && content.expiresAtMs > this.clock.now()
            ? (JSON.parse(content.text) as Record<string, string>)
            : undefined;
    }

    commit(table: readonly KernelBinding[]): void {
        if (this.fault) {
            throw this.fault;
        }
        // The codec refuses what the module would refuse.
        table.forEach(({ key, alternatives }) => encodeBinding(1n, key, alternatives, { file: true, wire: false }));
        this.commits++;
        this.table = table;
        const kept = new Set(table.map(({ key }) => keyText(key)));
        [...this.contents.keys()].filter((key) => !kept.has(key)).forEach((key) => this.contents.delete(key));
    }

    publish(key: BindingKey, expiresAtMs: number, content: Buffer): void {
        if (this.fault) {
            throw this.fault;
        }
        if (!this.table.some((entry) => keyText(entry.key) === keyText(key))) {
            throw new RiptidesError("KernelModule", { reason: "ENOENT" });
        }
        if (expiresAtMs <= this.clock.now()) {
            throw new RiptidesError("KernelModule", { reason: "EKEYEXPIRED" });
        }
        const text = content.toString("utf8");
        content.fill(0);
        this.published.push({ binding: key.binding, text, atMs: this.clock.now() });
        const entry = { text, expiresAtMs };
        this.contents.set(keyText(key), entry);
        this.clock.after(expiresAtMs - this.clock.now(), () => {
            if (this.contents.get(keyText(key)) === entry) {
                this.contents.delete(keyText(key));
                this.emit({ kind: "expire", seq: ++this.events, key, atMs: this.clock.now(), revision: 1n });
            }
        });
    }

    wipe(key: BindingKey): void {
        this.contents.delete(keyText(key));
    }

    keep(bytes: Buffer): void {
        this.blob = Buffer.from(bytes);
    }

    async kept(): Promise<Buffer> {
        return Buffer.from(this.blob);
    }

    async stats(): Promise<KernelStats> {
        return {
            generation: BigInt(this.commits),
            grants: 0n,
            reads: 0n,
            denied: this.denied,
            expired: 0n,
            wiped: 0n,
            eventsLost: 0n,
            malformed: 0n,
            bindings: this.table.length,
            contents: this.contents.size,
            blobLength: this.blob.length,
            injections: 0,
            wire: this.wire,
            handshakes: 0n,
            connections: 0,
            helper: false,
        };
    }

    deny(binding: string, reason: DenyReason): void {
        const key = this.table.find((entry) => entry.key.binding === binding)!.key;
        if (reason !== "unknown") {
            this.denied[reason]++;
        }
        const reader = { pid: 4711, uid: 1000, comm: "thief" };
        this.emit({ kind: "deny", seq: ++this.events, key, atMs: this.clock.now(), revision: 1n, reader, reason });
    }

    onEvent(listener: (event: KernelEvent) => void): void {
        this.listeners.push(listener);
    }

    onLost(): void {
        // A fake never hangs up.
    }

    async close(): Promise<void> {
        this.listeners = [];
    }

    private emit(event: KernelEvent): void {
        this.listeners.forEach((listener) => listener(event));
    }
}
