// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, read, writeSync } from "node:fs";
import { messageOf, RiptidesError } from "../api";
import {
    BindingKey,
    decodeKernelMessage,
    encodeBegin,
    encodeBinding,
    encodeBlobGet,
    encodeBlobPut,
    encodeCommit,
    encodeCredential,
    encodeHello,
    encodeInjection,
    encodeSecret,
    encodeShutdown,
    encodeStatsGet,
    encodeWipe,
    kernelAbi,
    kernelDevice,
    kernelLimits,
    KernelMessage,
    KernelStats,
} from "../api/kernel-message";
import { HalfPublished, Kernel, KernelBinding, KernelCredential, KernelEvent, overwrite } from "./kernel";
import { agentVersion } from "./version";

type Reply = Extract<KernelMessage, { kind: "helloAck" | "blob" | "stats" }>;

/** /dev/riptides. Writes are answered by the call itself; one thread of the pool waits in read() for replies and events. */
export class KernelDevice implements Kernel {
    moduleVersion = "";
    limits: Kernel["limits"] = kernelLimits;
    private generation = 0n;
    private seq = 0n;
    private closed = false;
    private readonly replies = new Map<bigint, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
    private readonly listeners: ((event: KernelEvent) => void)[] = [];
    private readonly lostListeners: ((reason: string) => void)[] = [];
    private readonly readerEnded: Promise<void>;

    private constructor(private readonly descriptor: number) {
        this.readerEnded = new Promise((resolve) => this.read(Buffer.alloc(kernelLimits.frame), resolve));
        process.once("exit", this.shutDown);
    }

    /**
     * Opens the device and agrees on the protocol.
     * @throws RiptidesError `KernelModule` when the module is not loaded, in use by another process or of another ABI.
     */
    static async open(path: string = kernelDevice): Promise<KernelDevice> {
        let descriptor: number;
        try {
            descriptor = openSync(path, "r+");
        } catch (error) {
            throw refusedOpen(path, error as NodeJS.ErrnoException);
        }
        const device = new KernelDevice(descriptor);
        try {
            const ack = await device.ask("HELLO", (seq) => encodeHello(seq, agentVersion));
            if (ack.kind !== "helloAck" || ack.abi !== kernelAbi) {
                throw new RiptidesError("KernelModule", { reason: `the module does not speak ABI ${kernelAbi}` });
            }
            device.moduleVersion = ack.moduleVersion;
            device.limits = { ...kernelLimits, ...ack.limits };
            device.generation = ack.generation;
            return device;
        } catch (error) {
            await device.close();
            throw error;
        }
    }

    commit(table: readonly KernelBinding[]): void {
        const generation = this.generation + 1n;
        const injections = table.reduce((sum, binding) => sum + binding.injections.length, 0);
        this.write("BEGIN", (seq) => encodeBegin(seq, generation, table.length, injections));
        for (const { key, alternatives, delivery, injections: places } of table) {
            this.write(`BINDING ${key.binding}`, (seq) => encodeBinding(seq, key, alternatives, delivery));
            for (const injection of places) {
                const what = `INJECTION ${key.binding} ${injection.host}:${injection.port}`;
                this.write(what, (seq) => encodeInjection(seq, key, injection));
            }
        }
        this.write("COMMIT", (seq) => encodeCommit(seq, generation));
        this.generation = generation;
    }

    publish(key: BindingKey, expiresAtMs: number, credential: KernelCredential): void {
        const { content, secret } = credential;
        const frames: Buffer[] = [];
        let changed = false;
        const send = (what: string, encode: (seq: bigint) => Buffer) => {
            this.write(`${what} ${key.binding}`, (seq) => {
                const frame = encode(seq);
                frames.push(frame);
                return frame;
            });
            changed = true;
        };
        try {
            if (secret) {
                send("SECRET", (seq) => encodeSecret(seq, key, expiresAtMs, secret));
            }
            if (content) {
                send("CREDENTIAL", (seq) => encodeCredential(seq, key, expiresAtMs, content));
            }
        } catch (error) {
            if (!changed) {
                throw error;
            }
            this.wipe(key);
            throw new HalfPublished({ reason: messageOf(error), cause: error });
        } finally {
            frames.forEach((frame) => frame.fill(0));
            overwrite(credential);
        }
    }

    wipe(key: BindingKey): void {
        this.write(`WIPE ${key.binding}`, (seq) => encodeWipe(seq, key));
    }

    keep(bytes: Buffer): void {
        let frame: Buffer | undefined;
        try {
            this.write("BLOB_PUT", (seq) => {
                frame = encodeBlobPut(seq, bytes);
                return frame;
            });
        } finally {
            frame?.fill(0);
        }
    }

    async kept(): Promise<Buffer> {
        const reply = await this.ask("BLOB_GET", encodeBlobGet);
        return reply.kind === "blob" ? reply.bytes : Buffer.alloc(0);
    }

    async stats(): Promise<KernelStats> {
        const reply = await this.ask("STATS_GET", encodeStatsGet);
        if (reply.kind !== "stats") {
            throw new RiptidesError("KernelModule", { reason: `STATS_GET was answered by ${reply.kind}` });
        }
        return reply.stats;
    }

    onEvent(listener: (event: KernelEvent) => void): void {
        this.listeners.push(listener);
    }

    onLost(listener: (reason: string) => void): void {
        this.lostListeners.push(listener);
    }

    async close(): Promise<void> {
        if (this.closed) {
            return;
        }
        this.shutDown();
        await this.readerEnded;
        closeSync(this.descriptor);
    }

    // At exit, too: Node joins its threads, and the reader's would wait for ever.
    private readonly shutDown = () => {
        if (this.closed) {
            return;
        }
        this.closed = true;
        process.removeListener("exit", this.shutDown);
        try {
            writeSync(this.descriptor, encodeShutdown(++this.seq));
        } catch (error) {
            // Only ESHUTDOWN can come here, and then the reader has ended already.
            process.emitWarning(`SHUTDOWN of ${kernelDevice}: ${messageOf(error)}`);
        }
    };

    private ask(what: string, frame: (seq: bigint) => Buffer): Promise<Reply> {
        return new Promise((resolve, reject) => {
            // The reply comes from another turn of the loop, so it cannot overtake its entry.
            try {
                this.replies.set(this.write(what, frame), { resolve, reject });
            } catch (error) {
                reject(error as Error);
            }
        });
    }

    private write(what: string, frame: (seq: bigint) => Buffer): bigint {
        if (this.closed) {
            // The descriptor's number may be another file's by now.
            throw new RiptidesError("KernelModule", { reason: `${what} came after the conversation was closed` });
        }
        const seq = ++this.seq;
        try {
            writeSync(this.descriptor, frame(seq));
        } catch (error) {
            throw new RiptidesError("KernelModule", {
                reason: `the module refused ${what}: ${messageOf(error)}`,
                cause: error,
            });
        }
        return seq;
    }

    private read(buffer: Buffer, ended: () => void): void {
        read(this.descriptor, buffer, 0, buffer.length, null, (error, length) => {
            if (error || length === 0) {
                buffer.fill(0);
                this.end(error ? messageOf(error) : "end of file");
                ended();
                return;
            }
            this.receive(buffer.subarray(0, length));
            this.read(buffer, ended);
        });
    }

    private receive(frame: Buffer): void {
        let message: KernelMessage;
        try {
            message = decodeKernelMessage(frame);
        } catch (error) {
            this.lostListeners.forEach((listener) => listener(`unreadable message: ${messageOf(error)}`));
            return;
        }
        if (message.kind === "helloAck" || message.kind === "blob" || message.kind === "stats") {
            this.replies.get(message.seq)?.resolve(message);
            this.replies.delete(message.seq);
            return;
        }
        for (const listener of this.listeners) {
            listener(message);
        }
    }

    private end(reason: string): void {
        const lost = new RiptidesError("KernelModule", { reason: `the conversation with the module ended: ${reason}` });
        this.replies.forEach(({ reject }) => reject(lost));
        this.replies.clear();
        if (!this.closed) {
            this.lostListeners.forEach((listener) => listener(reason));
        }
    }
}

function refusedOpen(path: string, error: NodeJS.ErrnoException): RiptidesError {
    const reasons: Record<string, [string, string]> = {
        ENOENT: ["the module riptides is not loaded", "Load it: `systemctl restart riptides-agent` does."],
        EBUSY: ["another process has it open", "Stop it first: `systemctl stop riptides-agent`."],
        EACCES: ["access is denied", "Run as root."],
    };
    const [reason, fix] = reasons[error.code ?? ""] ?? [messageOf(error), undefined];
    return new RiptidesError("KernelModule", { property: path, reason, ...(fix ? { fix } : {}), cause: error });
}
