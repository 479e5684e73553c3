// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as fc from "fast-check";
import * as message from "../../api/kernel-message";

const headerFile = path.join(__dirname, "../../kmod/uapi/riptides.h");
const header = fs.readFileSync(headerFile, "utf8");

/** Names and fields of every struct of the header, as its text has them. */
function structsOfHeader(): Map<string, string[]> {
    const structs = new Map<string, string[]>();
    for (const [, name, body] of header.matchAll(/struct riptides_(\w+) \{\n([^}]*)\};/g)) {
        const text = body!.replace(/\/\*.*?\*\//gs, "");
        structs.set(
            name!,
            [...text.matchAll(/(\w+)(?:\[\w*\])?;/g)].map((field) => field[1]!),
        );
    }
    return structs;
}

/** Compiles and runs a program that prints `name value` lines, one an expression. */
function evaluate(expressions: Record<string, string>): Record<string, bigint> {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "riptides-layout-"));
    try {
        const prints = Object.entries(expressions).map(
            ([name, expression]) => `printf("${name} %llu\\n", (unsigned long long)(${expression}));`,
        );
        const source = `#include <stdio.h>\n#include <stddef.h>\n#include <sys/sysmacros.h>\n#include "${headerFile}"\nint main(void) {\n${prints.join("\n")}\nreturn 0; }\n`;
        fs.writeFileSync(path.join(dir, "layout.c"), source);
        execFileSync("gcc", ["-Wall", "-Werror", "-o", path.join(dir, "layout"), path.join(dir, "layout.c")]);
        const lines = execFileSync(path.join(dir, "layout"), { encoding: "utf8" }).trim().split("\n");
        return Object.fromEntries(lines.map((line) => [line.split(" ")[0]!, BigInt(line.split(" ")[1]!)]));
    } finally {
        fs.rmSync(dir, { recursive: true });
    }
}

describe("kernel message layout", function () {
    this.timeout(20_000);

    it("has the structs, fields, sizes and offsets that the C compiler gives the header", () => {
        const expressions: Record<string, string> = {};
        for (const [name, fields] of structsOfHeader()) {
            // Of the TLS helper's device and of getsockopt(): only C programs use them.
            if (["handshake", "handshake_result", "so_state"].includes(name)) continue;
            expressions[`${name}.size`] = `sizeof(struct riptides_${name})`;
            for (const field of fields) {
                expressions[`${name}.${field}`] = `offsetof(struct riptides_${name}, ${field})`;
            }
        }
        const ours: Record<string, bigint> = {};
        for (const [name, { size, fields }] of Object.entries(message.layout)) {
            ours[`${name}.size`] = BigInt(size);
            for (const [field, offset] of Object.entries(fields)) {
                ours[`${name}.${field}`] = BigInt(offset);
            }
        }
        assert.deepEqual(evaluate(expressions), ours);
    });

    it("has every constant of the header with its value", () => {
        const enumerators = (name: string) =>
            [
                ...header
                    .match(new RegExp(`enum riptides_${name} \\{([^}]*)\\}`))![1]!
                    .replace(/\/\*.*?\*\//gs, "")
                    .matchAll(/RIPTIDES_(\w+)\s*=/g),
            ].map((match) => match[1]!);
        const table = (values: Record<string, number>, prefix = "") =>
            Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, BigInt(value)]));
        const compiled = (names: string[]) =>
            evaluate(Object.fromEntries(names.map((name) => [name, `RIPTIDES_${name}`])));

        assert.deepEqual(compiled(enumerators("type")), table(message.messageType));
        const facts = enumerators("fact").filter((name) => name !== "FACT_ALL");
        assert.deepEqual(compiled(facts), table(message.factBit, "FACT_"));
        const reasons = Object.fromEntries(
            message.denyReasons.map((reason, code) => [`DENY_${reason.toUpperCase()}`, BigInt(code)]),
        );
        assert.deepEqual(compiled(enumerators("reason")), reasons);
        assert.ok(message.denyReasons.length <= Number(compiled(["REASONS"]).REASONS));
        const bits = enumerators("delivery").filter((name) => name !== "DELIVER_ALL");
        assert.deepEqual(compiled(bits), table(message.deliveryBit, "DELIVER_"));
        assert.deepEqual(compiled(enumerators("scheme")), table(message.schemeCode, "SCHEME_"));
        const kinds = message.wireKinds.slice(1).map((kind, index) => {
            return [`WIRE_${kind.replace(/[A-Z]/g, "_$&").toUpperCase()}`, BigInt(index + 1)];
        });
        assert.deepEqual(compiled(enumerators("wire_kind")), Object.fromEntries(kinds));
        assert.ok(message.wireKinds.length <= Number(compiled(["WIRE_KINDS"]).WIRE_KINDS));

        const limits = message.kernelLimits;
        assert.deepEqual(
            compiled([
                "ABI",
                "BINDING_MAX",
                "CONTENT_MAX",
                "BLOB_MAX",
                "BINDINGS_MAX",
                "ALTERNATIVES_MAX",
                "LIFETIME_MAX",
                "INJECTIONS_MAX",
                "RULES_MAX",
                "SECRET_MAX",
                "BODY_MAX",
                "HANDSHAKE_MS_MAX",
            ]),
            table({
                ABI: message.kernelAbi,
                BINDING_MAX: limits.bindingName,
                CONTENT_MAX: limits.content,
                BLOB_MAX: limits.blob,
                BINDINGS_MAX: limits.bindings,
                ALTERNATIVES_MAX: limits.alternatives,
                LIFETIME_MAX: limits.lifetimeMs,
                INJECTIONS_MAX: limits.injections,
                RULES_MAX: limits.rules,
                SECRET_MAX: limits.secret,
                BODY_MAX: limits.body,
                HANDSHAKE_MS_MAX: limits.handshakeMs,
            }),
        );
        assert.deepEqual(
            compiled([
                "VERSION_SIZE",
                "COMM_SIZE",
                "CGROUP_SIZE",
                "TRUST_SIZE",
                "WORD_SIZE",
                "METHOD_SIZE",
                "PATH_SIZE",
            ]),
            table({
                VERSION_SIZE: limits.version + 1,
                COMM_SIZE: limits.comm + 1,
                CGROUP_SIZE: limits.cgroup + 1,
                TRUST_SIZE: limits.trust + 1,
                WORD_SIZE: limits.word + 1,
                METHOD_SIZE: limits.method + 1,
                PATH_SIZE: limits.path + 1,
            }),
        );
        assert.equal(limits.frame, message.layout.blob.size + limits.blob);
    });
});

describe("kernel message codec", () => {
    const key = { workload: "6f1d9f3c-0102-4003-8004-0506070809ab", binding: "vault-openai" };
    const inFile = { file: true, wire: false };
    const injection: message.KernelInjection = {
        host: "api.example.com",
        port: 443,
        rules: [{ method: "POST", path: "/v1/chat" }, { path: "/health" }],
        add: { kind: "header", name: "Authorization", prefix: "Bearer " },
    };

    it("writes a header that states length, type and seq", () => {
        const frame = message.encodeBlobGet(7n);
        assert.equal(frame.toString("hex"), "10000000" + "0800" + "0000" + "0700000000000000");
    });

    it("writes a key as raw UUID bytes and a padded name", () => {
        const frame = message.encodeWipe(1n, key);
        assert.equal(frame.toString("hex", 16, 32), key.workload.replaceAll("-", ""));
        assert.equal(frame.toString("latin1", 32, 45), "vault-openai\0");
        assert.ok(frame.subarray(45).every((byte) => byte === 0));
    });

    it("sets exactly the mask bits of the facts given, one struct an alternative", () => {
        const frame = message.encodeBinding(
            1n,
            key,
            [{ uid: 1000, comm: "node" }, { cgroup: "/system.slice/a.service" }],
            inFile,
        );
        const { size, fields } = message.layout.facts;
        const start = message.layout.binding.fields.facts;
        assert.equal(frame.length, start + 2 * size);
        assert.equal(frame.readUInt32LE(start + fields.mask), message.factBit.UID | message.factBit.COMM);
        assert.equal(frame.readUInt32LE(start + size + fields.mask), message.factBit.CGROUP);
    });

    it("writes the deliveries of a binding as a mask", () => {
        const mask = (delivery: message.KernelDelivery) =>
            message.encodeBinding(1n, key, [{ uid: 1 }], delivery).readUInt32LE(message.layout.binding.fields.delivery);
        assert.deepEqual(
            [mask(inFile), mask({ file: false, wire: true }), mask({ file: true, wire: true })],
            [1, 2, 3],
        );
    });

    it("writes an injection of a header, fields of the other scheme zero, one struct a rule", () => {
        const frame = message.encodeInjection(1n, key, injection);
        const { fields } = message.layout.injection;
        const text = (at: number) => frame.toString("latin1", at, frame.indexOf(0, at));
        assert.deepEqual(
            {
                scheme: frame.readUInt32LE(fields.scheme),
                port: frame.readUInt32LE(fields.port),
                host: text(fields.host),
                name: text(fields.header_name),
                prefix: text(fields.prefix),
                rest: frame.subarray(fields.region, fields.rules).every((byte) => byte === 0),
                rules: [0, 1].map((index) => {
                    const at = fields.rules + index * message.layout.rule.size;
                    return `${text(at)} ${text(at + message.layout.rule.fields.path)}`;
                }),
                length: frame.length,
            },
            {
                scheme: message.schemeCode.HEADER,
                port: 443,
                host: "api.example.com",
                name: "Authorization",
                prefix: "Bearer ",
                rest: true,
                rules: ["POST /v1/chat", " /health"],
                length: fields.rules + 2 * message.layout.rule.size,
            },
        );
    });

    it("writes a SigV4 injection without header and prefix", () => {
        const add = { kind: "sigv4", region: "us-east-1", service: "s3", bodyMax: 65_536 } as const;
        const frame = message.encodeInjection(1n, key, { ...injection, trust: "ab12", rules: [], add });
        const { fields } = message.layout.injection;
        assert.equal(frame.readUInt32LE(fields.body_max), 65_536);
        assert.ok(frame.subarray(fields.header_name, fields.region).every((byte) => byte === 0));
        assert.equal(frame.toString("latin1", fields.region, fields.region + 10), "us-east-1\0");
        assert.equal(frame.toString("latin1", fields.trust, fields.trust + 5), "ab12\0");
        assert.equal(frame.length, fields.rules);
    });

    it("writes the values of a secret one after the other, with their lengths", () => {
        const { fields } = message.layout.secret;
        const values = { accessKey: Buffer.from("AKIA"), secretKey: Buffer.from("secret") };
        const frame = message.encodeSecret(1n, key, 1_700_000_000_000, { kind: "sigv4", ...values });
        const lengths = [0, 1, 2, 3].map((index) => frame.readUInt32LE(fields.lengths + index * 4));
        assert.deepEqual(lengths, [4, 6, 0, 0]);
        assert.equal(frame.toString("latin1", fields.bytes), "AKIAsecret");
        assert.equal(frame.readBigUInt64LE(fields.expires_at_ms), 1_700_000_000_000n);
    });

    const header = (value: Uint8Array) => message.encodeSecret(1n, key, 1, { kind: "header", value });
    const refused: [string, string, () => Buffer][] = [
        [
            "a binding without delivery",
            "delivery",
            () => message.encodeBinding(1n, key, [{ uid: 1 }], { file: false, wire: false }),
        ],
        ["a port over 65535", "port", () => message.encodeInjection(1n, key, { ...injection, port: 65_536 })],
        [
            "a host of 254 letters",
            "host",
            () => message.encodeInjection(1n, key, { ...injection, host: "a".repeat(254) }),
        ],
        [
            "33 rules",
            "rules",
            () => message.encodeInjection(1n, key, { ...injection, rules: Array(33).fill({ path: "/" }) }),
        ],
        [
            "a handshake of more than a minute",
            "handshakeMs",
            () => message.encodeInjection(1n, key, { ...injection, handshakeMs: 60_001 }),
        ],
        ["an empty secret", "secret", () => header(new Uint8Array(0))],
        ["a secret of 4096 bytes", "secret", () => header(new Uint8Array(4096).fill(65))],
        ["a secret with a line break", "secret", () => header(Buffer.from("a\r\nb"))],
        ["an alternative without facts", "facts", () => message.encodeBinding(1n, key, [{}], inFile)],
        ["no alternative", "facts", () => message.encodeBinding(1n, key, [], inFile)],
        ["a name with a slash", "binding", () => message.encodeWipe(1n, { ...key, binding: "a/b" })],
        ["a name of 252 letters", "binding", () => message.encodeWipe(1n, { ...key, binding: "a".repeat(252) })],
        [
            "an upper-case UUID",
            "workload",
            () => message.encodeWipe(1n, { ...key, workload: key.workload.toUpperCase() }),
        ],
        ["a relative cgroup", "cgroup", () => message.encodeBinding(1n, key, [{ cgroup: "system.slice" }], inFile)],
        ["the root cgroup", "cgroup", () => message.encodeBinding(1n, key, [{ cgroup: "/" }], inFile)],
        [
            "a name of 16 bytes for a process",
            "comm",
            () => message.encodeBinding(1n, key, [{ comm: "é".repeat(8) }], inFile),
        ],
        [
            "a digest of 31 bytes",
            "sha256",
            () => message.encodeBinding(1n, key, [{ sha256: new Uint8Array(31) }], inFile),
        ],
        ["a negative uid", "uid", () => message.encodeBinding(1n, key, [{ uid: -1 }], inFile)],
        ["an empty content", "content", () => message.encodeCredential(1n, key, 1, new Uint8Array(0))],
        ["a content of one page", "content", () => message.encodeCredential(1n, key, 1, new Uint8Array(4096))],
        ["a fractional expiry", "expiresAtMs", () => message.encodeCredential(1n, key, 1.5, new Uint8Array(1))],
        ["a blob over 64 KiB", "bytes", () => message.encodeBlobPut(1n, new Uint8Array(65_537))],
    ];
    for (const [name, field, encode] of refused) {
        it(`refuses ${name} and names ${field}`, () => {
            assert.throws(
                encode,
                (error: unknown) => error instanceof message.KernelMessageError && error.field === field,
            );
        });
    }

    it("never repeats a content in an error", () => {
        const secret = Buffer.from("sk-canary".repeat(500));
        assert.throws(
            () => message.encodeCredential(1n, key, 1, secret),
            (error: Error) => !error.message.includes("canary"),
        );
        assert.throws(
            () => message.encodeSecret(1n, key, 1, { kind: "header", value: secret }),
            (error: Error) => !error.message.includes("canary"),
        );
    });

    it("reads a deny event back as the module wrote it", () => {
        const at = message.layout.event.fields;
        const frame = Buffer.alloc(message.layout.event.size);
        message.encodeWipe(9n, key).copy(frame);
        frame.writeUInt32LE(frame.length, 0);
        frame.writeUInt16LE(message.messageType.DENY, 4);
        frame.writeBigUInt64LE(1_700_000_000_000n, at.at_ms);
        frame.writeBigUInt64LE(3n, at.revision);
        frame.writeUInt32LE(4711, at.pid);
        frame.writeUInt32LE(1000, at.uid);
        frame.writeUInt32LE(message.denyReasons.indexOf("cgroup"), at.reason);
        frame.write("cat", at.comm);
        assert.deepEqual(message.decodeKernelMessage(frame), {
            kind: "deny",
            seq: 9n,
            key,
            atMs: 1_700_000_000_000,
            revision: 3n,
            reader: { pid: 4711, uid: 1000, comm: "cat" },
            reason: "cgroup",
        });
    });

    it("reads a wire event back as the module wrote it", () => {
        const at = message.layout.wire_event.fields;
        const frame = Buffer.alloc(message.layout.wire_event.size);
        message.encodeWipe(9n, key).copy(frame);
        frame.writeUInt32LE(frame.length, 0);
        frame.writeUInt16LE(message.messageType.WIRE, 4);
        frame.writeBigUInt64LE(1_700_000_000_000n, at.at_ms);
        frame.writeBigUInt64LE(2n, at.revision);
        frame.writeUInt32LE(message.wireKinds.indexOf("refused"), at.kind);
        frame.writeUInt32LE(13, at.error);
        frame.writeUInt32LE(4711, at.pid);
        frame.writeUInt32LE(1000, at.uid);
        frame.writeUInt32LE(443, at.port);
        frame.write("node", at.comm);
        frame.write("api.example.com", at.host);
        assert.deepEqual(message.decodeKernelMessage(frame), {
            kind: "wire",
            seq: 9n,
            key,
            atMs: 1_700_000_000_000,
            revision: 2n,
            process: { pid: 4711, uid: 1000, comm: "node" },
            what: "refused",
            error: 13,
            host: "api.example.com",
            port: 443,
        });
    });

    it("answers any bytes with a message or a KernelMessageError", () => {
        const types = Object.values(message.messageType);
        fc.assert(
            fc.property(
                fc.uint8Array({ maxLength: 700 }),
                fc.constantFrom(...types, 0, 0xffff),
                fc.boolean(),
                (bytes, type, honest) => {
                    const frame = Buffer.from(bytes);
                    if (honest && frame.length >= 16) {
                        frame.writeUInt32LE(frame.length, 0);
                        frame.writeUInt16LE(type, 4);
                    }
                    try {
                        message.decodeKernelMessage(frame);
                    } catch (error) {
                        assert.ok(error instanceof message.KernelMessageError, String(error));
                    }
                },
            ),
        );
    });

    it("splits device numbers as the C library does", () => {
        const devices = [0xfe00n, 0x812n, 0x1_0000_0812n, 0xfedc_ba98_7654_3210n];
        const compiled = evaluate(
            Object.fromEntries(
                devices.flatMap((dev) => [
                    [`major${dev}`, `major(${dev}ULL)`],
                    [`minor${dev}`, `minor(${dev}ULL)`],
                ]),
            ),
        );
        for (const dev of devices) {
            const { major, minor } = message.deviceNumbers(dev);
            assert.deepEqual([BigInt(major), BigInt(minor)], [compiled[`major${dev}`], compiled[`minor${dev}`]]);
        }
    }).timeout(20_000);
});
