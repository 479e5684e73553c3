// SPDX-License-Identifier: Apache-2.0

/**
 * Constants and struct layouts of /dev/riptides. `kmod/uapi/riptides.h` is the definition;
 * tests/api/kernel-message.test.ts compares the two through a C compiler.
 */

export const kernelAbi = 2;
export const kernelDevice = "/dev/riptides";

/** Limits of the module, in bytes unless the name says otherwise. */
export const kernelLimits = {
    version: 31,
    bindingName: 251,
    comm: 15,
    cgroup: 1023,
    content: 4095,
    blob: 65_536,
    bindings: 4_096,
    alternatives: 16,
    lifetimeMs: 315_360_000_000,
    injections: 4_096,
    rules: 32,
    host: 253,
    trust: 71,
    word: 63,
    method: 15,
    path: 255,
    secret: 4095,
    body: 16_777_216,
    handshakeMs: 60_000,
    /** A read buffer of this size holds any frame. */
    frame: 65_552,
} as const;

export const messageType = {
    HELLO: 0x0001,
    BEGIN: 0x0002,
    BINDING: 0x0003,
    COMMIT: 0x0004,
    CREDENTIAL: 0x0005,
    WIPE: 0x0006,
    BLOB_PUT: 0x0007,
    BLOB_GET: 0x0008,
    STATS_GET: 0x0009,
    SHUTDOWN: 0x000a,
    INJECTION: 0x000b,
    SECRET: 0x000c,
    HELLO_ACK: 0x8001,
    BLOB: 0x8002,
    STATS: 0x8003,
    GRANT: 0xc001,
    DENY: 0xc002,
    EXPIRE: 0xc003,
    LOST: 0xc004,
    WIRE: 0xc005,
} as const;

export const factBit = { CGROUP: 1, UID: 2, GID: 4, USERNS: 8, EXE: 16, SHA256: 32, COMM: 64 } as const;

export const deliveryBit = { FILE: 1, WIRE: 2 } as const;

export const schemeCode = { HEADER: 1, SIGV4: 2 } as const;

/** Why a read was refused, in the order of the kernel's codes from 0. */
export const denyReasons = [
    "none",
    "kernel",
    "userns",
    "uid",
    "gid",
    "opener",
    "traced",
    "comm",
    "cgroup",
    "exe",
    "sha256",
    "empty",
    "expired",
    "fault",
] as const;
export type DenyReason = (typeof denyReasons)[number] | "unknown";

/** What happened on a connection of a bound process, in the order of the kernel's codes from 0. */
export const wireKinds = [
    "none",
    "injected",
    "ownTls",
    "refused",
    "malformed",
    "noSecret",
    "handshake",
    "identity",
    "broken",
] as const;
export type WireKind = (typeof wireKinds)[number] | "unknown";

const header = { length: 0, type: 4, flags: 6, seq: 8 };

/** Size and field offsets of every struct of a frame, as the C compiler lays them out. */
export const layout = {
    header: { size: 16, fields: header },
    key: { size: 272, fields: { workload: 0, binding: 16 } },
    facts: {
        size: 1104,
        fields: {
            mask: 0,
            uid: 4,
            gid: 8,
            userns: 12,
            exe_major: 16,
            exe_minor: 20,
            exe_inode: 24,
            exe_sha256: 32,
            comm: 64,
            cgroup: 80,
        },
    },
    hello: { size: 56, fields: { header: 0, abi: 16, reserved: 20, agent_version: 24 } },
    begin: { size: 32, fields: { header: 0, generation: 16, count: 24, injections: 28 } },
    binding: { size: 296, fields: { header: 0, key: 16, delivery: 288, reserved: 292, facts: 296 } },
    rule: { size: 272, fields: { method: 0, path: 16 } },
    injection: {
        size: 888,
        fields: {
            header: 0,
            key: 16,
            scheme: 288,
            port: 292,
            body_max: 296,
            handshake_ms: 300,
            host: 304,
            trust: 560,
            header_name: 632,
            prefix: 696,
            region: 760,
            service: 824,
            rules: 888,
        },
    },
    secret: { size: 312, fields: { header: 0, key: 16, expires_at_ms: 288, lengths: 296, bytes: 312 } },
    commit: { size: 24, fields: { header: 0, generation: 16 } },
    credential: { size: 296, fields: { header: 0, key: 16, expires_at_ms: 288, content: 296 } },
    wipe: { size: 288, fields: { header: 0, key: 16 } },
    blob: { size: 16, fields: { header: 0, bytes: 16 } },
    hello_ack: {
        size: 72,
        fields: {
            header: 0,
            abi: 16,
            bindings_max: 20,
            content_max: 24,
            blob_max: 28,
            generation: 32,
            module_version: 40,
        },
    },
    stats: {
        size: 328,
        fields: {
            header: 0,
            generation: 16,
            grants: 24,
            reads: 32,
            denied: 40,
            expired: 168,
            wiped: 176,
            events_lost: 184,
            malformed: 192,
            bindings: 200,
            contents: 204,
            blob_length: 208,
            injections: 212,
            wire: 216,
            handshakes: 312,
            connections: 320,
            helper: 324,
        },
    },
    event: {
        size: 336,
        fields: {
            header: 0,
            key: 16,
            at_ms: 288,
            revision: 296,
            pid: 304,
            uid: 308,
            reason: 312,
            reserved: 316,
            comm: 320,
        },
    },
    wire_event: {
        size: 600,
        fields: {
            header: 0,
            key: 16,
            at_ms: 288,
            revision: 296,
            kind: 304,
            error: 308,
            pid: 312,
            uid: 316,
            port: 320,
            reserved: 324,
            comm: 328,
            host: 344,
        },
    },
    lost: { size: 24, fields: { header: 0, count: 16 } },
} as const;
