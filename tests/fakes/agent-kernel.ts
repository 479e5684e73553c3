// SPDX-License-Identifier: Apache-2.0
import {
    HalfPublished,
    Kernel,
    KernelBinding,
    KernelCredential,
    KernelEvent,
    keyText,
    overwrite,
    WireEvent,
} from "../../agent/kernel";
import { RiptidesError } from "../../api";
import {
    BindingKey,
    DenyReason,
    denyReasons,
    encodeBinding,
    encodeInjection,
    encodeSecret,
    kernelLimits,
    KernelSecret,
    KernelStats,
    wireKinds,
} from "../../api/kernel-message";
import type { FakeClock } from "./agent-clock";

interface Content {
    /** JSON of the file, if it is delivered as one. */
    text?: string;
    /** What is injected, if anything is. */
    secret?: Record<string, string>;
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
    /** Thrown between secret and content of a binding that has both, until taken away. */
    halfFault?: RiptidesError;
    helper = true;
    /** Buffers that were given to publish: all must be overwritten. */
    readonly given: Uint8Array[] = [];
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
        return content?.text !== undefined && content.expiresAtMs > this.clock.now()
            ? (JSON.parse(content.text) as Record<string, string>)
            : undefined;
    }

    /** What the kernel adds to requests of a bound process to a host; `undefined` when there is nothing. */
    injected(binding: string, host: string): Record<string, string> | undefined {
        const entry = this.table.find(({ key }) => key.binding === binding);
        const content = entry && this.contents.get(keyText(entry.key));
        return content?.secret && entry?.injections.some((one) => one.host === host) ? content.secret : undefined;
    }

    commit(table: readonly KernelBinding[]): void {
        if (this.fault) {
            throw this.fault;
        }
        // The codec refuses what the module would refuse.
        table.forEach(({ key, alternatives, delivery, injections }) => {
            encodeBinding(1n, key, alternatives, delivery);
            injections.forEach((injection) => encodeInjection(1n, key, injection));
        });
        this.commits++;
        this.table = table;
        const kept = new Set(table.map(({ key }) => keyText(key)));
        [...this.contents.keys()].filter((key) => !kept.has(key)).forEach((key) => this.contents.delete(key));
    }

    publish(key: BindingKey, expiresAtMs: number, credential: KernelCredential): void {
        try {
            this.put(key, expiresAtMs, credential);
        } finally {
            this.given.push(...octetsOf(credential));
            overwrite(credential);
        }
    }

    private put(key: BindingKey, expiresAtMs: number, { content, secret }: KernelCredential): void {
        if (this.fault) {
            throw this.fault;
        }
        const place = this.table.find((entry) => keyText(entry.key) === keyText(key));
        if (!place || (content && !place.delivery.file) || (secret && !place.delivery.wire)) {
            throw new RiptidesError("KernelModule", { reason: "ENOENT" });
        }
        if (expiresAtMs <= this.clock.now()) {
            throw new RiptidesError("KernelModule", { reason: "EKEYEXPIRED" });
        }
        if (secret) {
            encodeSecret(1n, key, expiresAtMs, secret);
        }
        if (this.halfFault && content && secret) {
            this.contents.delete(keyText(key));
            throw new HalfPublished({ reason: this.halfFault.reason });
        }
        const entry: Content = {
            ...(content ? { text: content.toString("utf8") } : {}),
            ...(secret ? { secret: plainSecret(secret) } : {}),
            expiresAtMs,
        };
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
            injections: this.table.reduce((sum, { injections }) => sum + injections.length, 0),
            wire: this.wire,
            handshakes: 0n,
            connections: 0,
            helper: this.helper,
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

    /** Something happened on a connection of a bound process. */
    happen(binding: string, what: keyof KernelStats["wire"], change: Partial<WireEvent> = {}): void {
        const { key, injections } = this.table.find((entry) => entry.key.binding === binding)!;
        const { host, port } = injections[0]!;
        this.wire[what]++;
        const about = {
            kind: "wire" as const,
            seq: ++this.events,
            key,
            atMs: this.clock.now(),
            revision: 1n,
            error: 0,
        };
        this.emit({ ...about, what, host, port, process: { pid: 4711, uid: 1000, comm: "agent" }, ...change });
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

function plainSecret(secret: KernelSecret): Record<string, string> {
    const text = (octets: Uint8Array) => Buffer.from(octets).toString("utf8");
    if (secret.kind === "header") {
        return { value: text(secret.value) };
    }
    const { accessKey, secretKey, sessionToken } = secret;
    return {
        accessKey: text(accessKey),
        secretKey: text(secretKey),
        ...(sessionToken ? { sessionToken: text(sessionToken) } : {}),
    };
}

function octetsOf({ content, secret }: KernelCredential): Uint8Array[] {
    const parts: (Uint8Array | undefined)[] =
        secret?.kind === "sigv4" ? [secret.accessKey, secret.secretKey, secret.sessionToken] : [secret?.value];
    return [content, ...parts].filter((part) => part !== undefined);
}
