// SPDX-License-Identifier: Apache-2.0
import {
    BindingKey,
    KernelMessageError,
    newFrame,
    putKey,
    putOptionalText,
    putText,
    putTime,
    putU32,
    putU64,
} from "./kernel-frame";
import { deliveryBit, factBit, kernelAbi, kernelLimits, layout, messageType, schemeCode } from "./kernel-layout";

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
