// SPDX-License-Identifier: Apache-2.0
import { BindingKey, getKey, getText, KernelMessageError, sized } from "./kernel-frame";
import {
    DenyReason,
    denyReasons,
    kernelAbi,
    kernelLimits,
    layout,
    messageType,
    WireKind,
    wireKinds,
} from "./kernel-layout";

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
