// SPDX-License-Identifier: Apache-2.0
import {
    deliveryBit,
    DenyReason,
    denyReasons,
    factBit,
    kernelAbi,
    kernelLimits,
    layout,
    messageType,
    schemeCode,
    WireKind,
    wireKinds,
} from "./kernel-layout";

export * from "./kernel-layout";

/** Codec of the frames of /dev/riptides: one frame is one write() or one read(). */

/** One binding of one workload: the UUID directory and the binding's name. */
export interface BindingKey {
    /** Lower-case UUID text. */
    workload: string;
    /** 1 to 251 letters, digits, `-`, `.`, `_`; the first is a letter or digit. */
    binding: string;
}

/** A conjunction of facts that the kernel checks at every read; at least one must be set. */
export interface KernelFacts {
    /** cgroup v2 path such as `/system.slice/x.service`; the reader is in it or below it. */
    cgroup?: string;
    uid?: number;
    gid?: number;
    /** Inode number of the user namespace; the initial one when left out. */
    userNamespace?: number;
    /** `stat()` of the executable; split `dev` with {@link deviceNumbers}. */
    executable?: { major: number; minor: number; inode: bigint };
    /** Digest of the executable, 32 bytes. */
    sha256?: Uint8Array;
    /** Process name, at most 15 bytes. The process can set it: the weakest fact. */
    comm?: string;
}

/** How a binding's credential reaches the workload; one of the two at least. */
export interface KernelDelivery {
    /** As a file that the bound process reads; takes `encodeCredential`. */
    file: boolean;
    /** In the requests of the bound process; takes `encodeInjection` and `encodeSecret`. */
    wire: boolean;
}

/** A service to which requests of the bound process are carried over TLS 1.3, with the binding's secret. */
export interface KernelInjection {
    /** DNS name in lower case, or IPv4 address; the server must prove that it is this. */
    host: string;
    port: number;
    /** Name of the trust store, letters and digits; the node's own when left out. */
    trust?: string;
    /** Longest handshake in milliseconds, at most 60 000; 10 000 when left out. */
    handshakeMs?: number;
    /** What is allowed: a method (any when left out) and a path prefix that ends at a segment. None: everything. */
    rules: { method?: string; path: string }[];
    add:
        | { kind: "header"; name: string; prefix: string }
        /** `bodyMax`: most bytes of a body that is kept to be signed. */
        | { kind: "sigv4"; region: string; service: string; bodyMax: number };
}

/** What is added to the requests, without control characters; at most 4095 bytes together. */
export type KernelSecret =
    | { kind: "header"; value: Uint8Array }
    | { kind: "sigv4"; accessKey: Uint8Array; secretKey: Uint8Array; sessionToken?: Uint8Array };

/** A frame was asked for, or received, that the protocol does not allow. */
export class KernelMessageError extends Error {
    constructor(
        readonly field: string,
        readonly reason: string,
    ) {
        super(`${field}: ${reason}`);
        this.name = "KernelMessageError";
    }
}

/** Splits the `dev` of a bigint `stat()` into the kernel's device numbers. */
export function deviceNumbers(dev: bigint): { major: number; minor: number } {
    return {
        major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
        minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
    };
}

/** Opens the conversation; must be the first frame. Answered by `helloAck`. */
export function encodeHello(seq: bigint, agentVersion: string): Buffer {
    const at = layout.hello.fields;
    const frame = newFrame(messageType.HELLO, seq, layout.hello.size);
    frame.writeUInt32LE(kernelAbi, at.abi);
    putText(frame, at.agent_version, agentVersion, kernelLimits.version, "agentVersion");
    return frame;
}

/** Starts staging a table of `count` bindings and, in all, `injections` injections. */
export function encodeBegin(seq: bigint, generation: bigint, count: number, injections: number): Buffer {
    const at = layout.begin.fields;
    const frame = newFrame(messageType.BEGIN, seq, layout.begin.size);
    putU64(frame, at.generation, generation, "generation");
    putU32(frame, at.count, count, "count", kernelLimits.bindings);
    putU32(frame, at.injections, injections, "injections", kernelLimits.injections);
    return frame;
}

/** Stages one binding: its process must satisfy one of the alternatives (1 to 16). */
export function encodeBinding(
    seq: bigint,
    key: BindingKey,
    alternatives: readonly KernelFacts[],
    delivery: KernelDelivery,
): Buffer {
    if (alternatives.length < 1 || alternatives.length > kernelLimits.alternatives) {
        throw new KernelMessageError(
            "facts",
            `1 to ${kernelLimits.alternatives} alternatives are allowed, got ${alternatives.length}`,
        );
    }
    if (!delivery.file && !delivery.wire) {
        throw new KernelMessageError("delivery", "a binding is delivered as a file, on the wire or both");
    }
    const at = layout.binding.fields;
    const frame = newFrame(messageType.BINDING, seq, at.facts + alternatives.length * layout.facts.size);
    putKey(frame, at.key, key);
    frame.writeUInt32LE((delivery.file ? deliveryBit.FILE : 0) | (delivery.wire ? deliveryBit.WIRE : 0), at.delivery);
    alternatives.forEach((facts, index) => putFacts(frame, at.facts + index * layout.facts.size, facts));
    return frame;
}

/** Stages one injection of a binding that is staged with wire delivery. */
export function encodeInjection(seq: bigint, key: BindingKey, injection: KernelInjection): Buffer {
    const { add, rules } = injection;
    if (rules.length > kernelLimits.rules) {
        throw new KernelMessageError("rules", `at most ${kernelLimits.rules} are allowed, got ${rules.length}`);
    }
    const at = layout.injection.fields;
    const frame = newFrame(messageType.INJECTION, seq, at.rules + rules.length * layout.rule.size);
    putKey(frame, at.key, key);
    putU32(frame, at.port, injection.port, "port", 65_535);
    putText(frame, at.host, injection.host, kernelLimits.host, "host");
    putU32(frame, at.handshake_ms, injection.handshakeMs ?? 0, "handshakeMs", kernelLimits.handshakeMs);
    putOptionalText(frame, at.trust, injection.trust, kernelLimits.trust, "trust");
    if (add.kind === "header") {
        frame.writeUInt32LE(schemeCode.HEADER, at.scheme);
        putText(frame, at.header_name, add.name, kernelLimits.word, "add.name");
        putOptionalText(frame, at.prefix, add.prefix, kernelLimits.word, "add.prefix");
    } else {
        frame.writeUInt32LE(schemeCode.SIGV4, at.scheme);
        putText(frame, at.region, add.region, kernelLimits.word, "add.region");
        putText(frame, at.service, add.service, kernelLimits.word, "add.service");
        putU32(frame, at.body_max, add.bodyMax, "add.bodyMax", kernelLimits.body);
    }
    rules.forEach(({ method, path }, index) => {
        const start = at.rules + index * layout.rule.size;
        putOptionalText(frame, start + layout.rule.fields.method, method, kernelLimits.method, "rules.method");
        putText(frame, start + layout.rule.fields.path, path, kernelLimits.path, "rules.path");
    });
    return frame;
}

/** Puts the staged table in force in one step; `generation` is that of `encodeBegin`. */
export function encodeCommit(seq: bigint, generation: bigint): Buffer {
    const frame = newFrame(messageType.COMMIT, seq, layout.commit.size);
    putU64(frame, layout.commit.fields.generation, generation, "generation");
    return frame;
}

/** Publishes or rotates a content (1 to 4095 bytes). The frame holds the secret: overwrite it after the write. */
export function encodeCredential(seq: bigint, key: BindingKey, expiresAtMs: number, content: Uint8Array): Buffer {
    if (content.length < 1 || content.length > kernelLimits.content) {
        throw new KernelMessageError(
            "content",
            `1 to ${kernelLimits.content} bytes are allowed, got ${content.length}`,
        );
    }
    const at = layout.credential.fields;
    const frame = newFrame(messageType.CREDENTIAL, seq, at.content + content.length);
    putKey(frame, at.key, key);
    putTime(frame, at.expires_at_ms, expiresAtMs, "expiresAtMs");
    frame.set(content, at.content);
    return frame;
}

/** Publishes or rotates what a binding's injections add. The frame holds the secret: overwrite it after the write. */
export function encodeSecret(seq: bigint, key: BindingKey, expiresAtMs: number, secret: KernelSecret): Buffer {
    const values = secret.kind === "header" ? [secret.value] : [secret.accessKey, secret.secretKey];
    if (values.some((value) => value.length === 0)) {
        throw new KernelMessageError("secret", "a value is empty");
    }
    if (secret.kind === "sigv4" && secret.sessionToken) {
        values.push(secret.sessionToken);
    }
    const length = values.reduce((sum, value) => sum + value.length, 0);
    if (length > kernelLimits.secret) {
        throw new KernelMessageError("secret", `at most ${kernelLimits.secret} bytes are allowed, got ${length}`);
    }
    if (values.some((value) => value.some((byte) => byte < 0x20 || byte === 0x7f))) {
        throw new KernelMessageError("secret", "a value holds a control character");
    }
    const at = layout.secret.fields;
    const frame = newFrame(messageType.SECRET, seq, at.bytes + length);
    putKey(frame, at.key, key);
    putTime(frame, at.expires_at_ms, expiresAtMs, "expiresAtMs");
    let end = at.bytes;
    values.forEach((value, index) => {
        frame.writeUInt32LE(value.length, at.lengths + index * 4);
        frame.set(value, end);
        end += value.length;
    });
    return frame;
}

/** Forgets the content and the secret of a binding; its file stays. */
export function encodeWipe(seq: bigint, key: BindingKey): Buffer {
    const frame = newFrame(messageType.WIPE, seq, layout.wipe.size);
    putKey(frame, layout.wipe.fields.key, key);
    return frame;
}

/** Leaves bytes with the module, in memory until it is unloaded; an empty blob clears it. */
export function encodeBlobPut(seq: bigint, bytes: Uint8Array): Buffer {
    if (bytes.length > kernelLimits.blob) {
        throw new KernelMessageError("bytes", `at most ${kernelLimits.blob} bytes are allowed, got ${bytes.length}`);
    }
    const frame = newFrame(messageType.BLOB_PUT, seq, layout.blob.size + bytes.length);
    frame.set(bytes, layout.blob.fields.bytes);
    return frame;
}

/** Asks for the bytes of `encodeBlobPut`. Answered by `blob`, empty when there are none. */
export function encodeBlobGet(seq: bigint): Buffer {
    return newFrame(messageType.BLOB_GET, seq, layout.header.size);
}

/** Asks for the counters. Answered by `stats`. */
export function encodeStatsGet(seq: bigint): Buffer {
    return newFrame(messageType.STATS_GET, seq, layout.header.size);
}

/** Ends the conversation: once the waiting replies are read, read() returns 0. */
export function encodeShutdown(seq: bigint): Buffer {
    return newFrame(messageType.SHUTDOWN, seq, layout.header.size);
}

export interface KernelStats {
    generation: bigint;
    grants: bigint;
    reads: bigint;
    /** By reason; reasons that never happened are 0. */
    denied: Record<(typeof denyReasons)[number], bigint>;
    expired: bigint;
    wiped: bigint;
    eventsLost: bigint;
    malformed: bigint;
    bindings: number;
    contents: number;
    blobLength: number;
    injections: number;
    /** By kind; kinds that never happened are 0. */
    wire: Record<(typeof wireKinds)[number], bigint>;
    /** Begun since load. */
    handshakes: bigint;
    /** Carried now. */
    connections: number;
    /** The TLS helper is connected. */
    helper: boolean;
}

/** Who read, or tried to. */
export interface KernelReader {
    pid: number;
    uid: number;
    comm: string;
}

/** A frame from the module. `seq` of a reply is its request's, `seq` of an event counts events since load. */
export type KernelMessage =
    | {
          kind: "helloAck";
          seq: bigint;
          abi: number;
          moduleVersion: string;
          /** Of the table in force; 0 when none was committed since load. */
          generation: bigint;
          limits: { bindings: number; content: number; blob: number };
      }
    | { kind: "blob"; seq: bigint; bytes: Buffer }
    | { kind: "stats"; seq: bigint; stats: KernelStats }
    | { kind: "grant"; seq: bigint; key: BindingKey; atMs: number; revision: bigint; reader: KernelReader }
    | {
          kind: "deny";
          seq: bigint;
          key: BindingKey;
          atMs: number;
          revision: bigint;
          reader: KernelReader;
          reason: DenyReason;
      }
    | { kind: "expire"; seq: bigint; key: BindingKey; atMs: number; revision: bigint }
    | {
          kind: "wire";
          seq: bigint;
          key: BindingKey;
          atMs: number;
          /** Of the secret that was sent; 0 when none was. */
          revision: bigint;
          process: KernelReader;
          what: WireKind;
          /** errno that the process sees, 0 for none. */
          error: number;
          /** Of the service; empty while it is not known. */
          host: string;
          port: number;
      }
    | { kind: "lost"; seq: bigint; count: bigint };

/**
 * Reads one frame.
 * @throws KernelMessageError when the length or the type is not one of the protocol.
 */
export function decodeKernelMessage(frame: Buffer): KernelMessage {
    const at = layout.header.fields;
    if (frame.length < layout.header.size || frame.readUInt32LE(at.length) !== frame.length) {
        throw new KernelMessageError("length", `a frame of ${frame.length} bytes does not hold the length it states`);
    }
    const seq = frame.readBigUInt64LE(at.seq);
    const type = frame.readUInt16LE(at.type);
    switch (type) {
        case messageType.HELLO_ACK:
            return decodeHelloAck(sized(frame, layout.hello_ack.size), seq);
        case messageType.BLOB:
            return { kind: "blob", seq, bytes: Buffer.from(frame.subarray(layout.blob.fields.bytes)) };
        case messageType.STATS:
            return { kind: "stats", seq, stats: decodeStats(sized(frame, layout.stats.size)) };
        case messageType.GRANT:
        case messageType.DENY:
        case messageType.EXPIRE:
            return decodeEvent(sized(frame, layout.event.size), seq, type);
        case messageType.WIRE:
            return decodeWire(sized(frame, layout.wire_event.size), seq);
        case messageType.LOST:
            return {
                kind: "lost",
                seq,
                count: sized(frame, layout.lost.size).readBigUInt64LE(layout.lost.fields.count),
            };
        default:
            throw new KernelMessageError("type", `0x${type.toString(16)} is not a message of ABI ${kernelAbi}`);
    }
}

function decodeHelloAck(frame: Buffer, seq: bigint): KernelMessage {
    const at = layout.hello_ack.fields;
    return {
        kind: "helloAck",
        seq,
        abi: frame.readUInt32LE(at.abi),
        moduleVersion: getText(frame, at.module_version, kernelLimits.version + 1),
        generation: frame.readBigUInt64LE(at.generation),
        limits: {
            bindings: frame.readUInt32LE(at.bindings_max),
            content: frame.readUInt32LE(at.content_max),
            blob: frame.readUInt32LE(at.blob_max),
        },
    };
}

function decodeStats(frame: Buffer): KernelStats {
    const at = layout.stats.fields;
    const counters = (names: readonly string[], start: number) =>
        Object.fromEntries(names.map((name, index) => [name, frame.readBigUInt64LE(start + index * 8)]));
    return {
        generation: frame.readBigUInt64LE(at.generation),
        grants: frame.readBigUInt64LE(at.grants),
        reads: frame.readBigUInt64LE(at.reads),
        denied: counters(denyReasons, at.denied) as KernelStats["denied"],
        expired: frame.readBigUInt64LE(at.expired),
        wiped: frame.readBigUInt64LE(at.wiped),
        eventsLost: frame.readBigUInt64LE(at.events_lost),
        malformed: frame.readBigUInt64LE(at.malformed),
        bindings: frame.readUInt32LE(at.bindings),
        contents: frame.readUInt32LE(at.contents),
        blobLength: frame.readUInt32LE(at.blob_length),
        injections: frame.readUInt32LE(at.injections),
        wire: counters(wireKinds, at.wire) as KernelStats["wire"],
        handshakes: frame.readBigUInt64LE(at.handshakes),
        connections: frame.readUInt32LE(at.connections),
        helper: frame.readUInt32LE(at.helper) === 1,
    };
}

function decodeWire(frame: Buffer, seq: bigint): KernelMessage {
    const at = layout.wire_event.fields;
    return {
        kind: "wire",
        seq,
        key: getKey(frame, at.key),
        atMs: Number(frame.readBigUInt64LE(at.at_ms)),
        revision: frame.readBigUInt64LE(at.revision),
        process: {
            pid: frame.readUInt32LE(at.pid),
            uid: frame.readUInt32LE(at.uid),
            comm: getText(frame, at.comm, kernelLimits.comm + 1),
        },
        what: wireKinds[frame.readUInt32LE(at.kind)] ?? "unknown",
        error: frame.readUInt32LE(at.error),
        host: getText(frame, at.host, layout.wire_event.size - at.host),
        port: frame.readUInt32LE(at.port),
    };
}

function decodeEvent(frame: Buffer, seq: bigint, type: number): KernelMessage {
    const at = layout.event.fields;
    const common = {
        seq,
        key: getKey(frame, at.key),
        atMs: Number(frame.readBigUInt64LE(at.at_ms)),
        revision: frame.readBigUInt64LE(at.revision),
    };
    const reader = {
        pid: frame.readUInt32LE(at.pid),
        uid: frame.readUInt32LE(at.uid),
        comm: getText(frame, at.comm, kernelLimits.comm + 1),
    };
    switch (type) {
        case messageType.GRANT:
            return { kind: "grant", ...common, reader };
        case messageType.DENY:
            return { kind: "deny", ...common, reader, reason: denyReasons[frame.readUInt32LE(at.reason)] ?? "unknown" };
        default:
            return { kind: "expire", ...common };
    }
}

function newFrame(type: number, seq: bigint, length: number): Buffer {
    const frame = Buffer.alloc(length);
    frame.writeUInt32LE(length, layout.header.fields.length);
    frame.writeUInt16LE(type, layout.header.fields.type);
    putU64(frame, layout.header.fields.seq, seq, "seq");
    return frame;
}

function sized(frame: Buffer, size: number): Buffer {
    if (frame.length !== size) {
        throw new KernelMessageError("length", `this message has ${size} bytes, the frame ${frame.length}`);
    }
    return frame;
}

function putU32(frame: Buffer, offset: number, value: number, field: string, max = 0xffff_ffff): void {
    if (!Number.isInteger(value) || value < 0 || value > max) {
        throw new KernelMessageError(field, `a whole number from 0 to ${max} is needed, got ${value}`);
    }
    frame.writeUInt32LE(value, offset);
}

function putU64(frame: Buffer, offset: number, value: bigint, field: string): void {
    if (BigInt.asUintN(64, value) !== value) {
        throw new KernelMessageError(field, `an unsigned 64-bit number is needed, got ${value}`);
    }
    frame.writeBigUInt64LE(value, offset);
}

function putTime(frame: Buffer, offset: number, value: number, field: string): void {
    if (!Number.isSafeInteger(value) || value < 0) {
        throw new KernelMessageError(field, `whole milliseconds of Unix time are needed, got ${value}`);
    }
    frame.writeBigUInt64LE(BigInt(value), offset);
}

/** Nothing, or a text that leaves the field empty. */
function putOptionalText(frame: Buffer, offset: number, value: string | undefined, max: number, field: string): void {
    if (value) {
        putText(frame, offset, value, max, field);
    }
}

function putText(frame: Buffer, offset: number, value: string, max: number, field: string): void {
    const length = Buffer.byteLength(value);
    if (length < 1 || length > max || value.includes("\0")) {
        throw new KernelMessageError(field, `1 to ${max} bytes without NUL are allowed, got ${JSON.stringify(value)}`);
    }
    frame.write(value, offset);
}

function getText(frame: Buffer, offset: number, size: number): string {
    const field = frame.subarray(offset, offset + size);
    const end = field.indexOf(0);
    return field.toString("utf8", 0, end < 0 ? size : end);
}

function putKey(frame: Buffer, offset: number, key: BindingKey): void {
    const at = layout.key.fields;
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(key.workload)) {
        throw new KernelMessageError("workload", `a lower-case UUID is needed, got ${JSON.stringify(key.workload)}`);
    }
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(key.binding) || key.binding.length > kernelLimits.bindingName) {
        throw new KernelMessageError(
            "binding",
            `1 to ${kernelLimits.bindingName} letters, digits, "-", "." or "_", starting with a letter or digit, got ${JSON.stringify(key.binding)}`,
        );
    }
    frame.write(key.workload.replaceAll("-", ""), offset + at.workload, "hex");
    frame.write(key.binding, offset + at.binding);
}

function getKey(frame: Buffer, offset: number): BindingKey {
    const at = layout.key.fields;
    const hex = frame.toString("hex", offset + at.workload, offset + at.binding);
    return {
        workload: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
        binding: getText(frame, offset + at.binding, layout.key.size - at.binding),
    };
}

function putFacts(frame: Buffer, offset: number, facts: KernelFacts): void {
    const at = layout.facts.fields;
    let mask = 0;
    if (facts.cgroup !== undefined) {
        if (!/^(\/[^/]+)+$/.test(facts.cgroup)) {
            throw new KernelMessageError(
                "cgroup",
                `an absolute path below the root is needed, got ${JSON.stringify(facts.cgroup)}`,
            );
        }
        putText(frame, offset + at.cgroup, facts.cgroup, kernelLimits.cgroup, "cgroup");
        mask |= factBit.CGROUP;
    }
    if (facts.uid !== undefined) {
        putU32(frame, offset + at.uid, facts.uid, "uid", 0xffff_fffe);
        mask |= factBit.UID;
    }
    if (facts.gid !== undefined) {
        putU32(frame, offset + at.gid, facts.gid, "gid", 0xffff_fffe);
        mask |= factBit.GID;
    }
    if (facts.userNamespace !== undefined) {
        putU32(frame, offset + at.userns, facts.userNamespace, "userNamespace");
        mask |= factBit.USERNS;
    }
    if (facts.executable !== undefined) {
        putU32(frame, offset + at.exe_major, facts.executable.major, "executable.major");
        putU32(frame, offset + at.exe_minor, facts.executable.minor, "executable.minor");
        putU64(frame, offset + at.exe_inode, facts.executable.inode, "executable.inode");
        mask |= factBit.EXE;
    }
    if (facts.sha256 !== undefined) {
        if (facts.sha256.length !== 32) {
            throw new KernelMessageError("sha256", `32 bytes are needed, got ${facts.sha256.length}`);
        }
        frame.set(facts.sha256, offset + at.exe_sha256);
        mask |= factBit.SHA256;
    }
    if (facts.comm !== undefined) {
        putText(frame, offset + at.comm, facts.comm, kernelLimits.comm, "comm");
        mask |= factBit.COMM;
    }
    if (mask === 0) {
        throw new KernelMessageError("facts", "an alternative without a fact would match every process");
    }
    frame.writeUInt32LE(mask, offset + at.mask);
}
