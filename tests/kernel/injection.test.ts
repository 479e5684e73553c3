// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import {
    encodeBegin,
    encodeBinding,
    encodeCommit,
    encodeCredential,
    encodeHello,
    encodeInjection,
    encodeSecret,
    encodeStatsGet,
    encodeWipe,
    type KernelDelivery,
    type KernelInjection,
    type KernelSecret,
    type KernelStats,
    layout,
} from "../../api/kernel-message";
import { content, fileOf, inFile, keyOf, Machine, onWire, slowness, type Step, write } from "./machine";

const both = { file: true, wire: true };
const key = keyOf("w");
const inAnHour = () => Date.now() + 3_600_000;
const hello = () => write(encodeHello(1n, "test"));
const header: KernelInjection = {
    host: "api.example.com",
    port: 443,
    rules: [],
    add: { kind: "header", name: "Authorization", prefix: "Bearer " },
};
const sigv4: KernelInjection = {
    ...header,
    add: { kind: "sigv4", region: "us-east-1", service: "s3", bodyMax: 65_536 },
};
const bearer: KernelSecret = { kind: "header", value: Buffer.from("sk-canary-77aa") };
const secret = (expiresAtMs = inAnHour(), values = bearer) => encodeSecret(3n, key, expiresAtMs, values);

/** A table of one binding, `w`, with its injections. */
const tableOf = (generation: bigint, delivery: KernelDelivery, ...injections: KernelInjection[]): Step[] => [
    write(encodeBegin(2n, generation, 1, injections.length)),
    write(encodeBinding(2n, key, [{ uid: 1001 }], delivery)),
    ...injections.map((injection) => write(encodeInjection(2n, key, injection))),
    write(encodeCommit(2n, generation)),
];

describe("kernel module: injections and secrets", function () {
    this.timeout(400_000);
    let machine: Machine;

    before(async () => {
        machine = await Machine.start();
    });
    after(() => machine.stop());

    /** The answers to frames in one open conversation. */
    const answersTo = async (...frames: Buffer[]) => {
        const opening = [{ do: "open" as const }, hello(), { do: "read" as const }];
        const answers = await machine.device(...opening, ...frames.map(write));
        return answers.slice(opening.length).map(({ text }) => text);
    };
    const answerTo = async (...frames: Buffer[]) => (await answersTo(...frames)).at(-1)!;
    const stats = async (): Promise<KernelStats> => {
        const [, answer] = await machine.session(write(encodeStatsGet(9n)), { do: "read" });
        assert.equal(answer!.message?.kind, "stats");
        return (answer!.message as { stats: KernelStats }).stats;
    };
    const isThere = async () => (await machine.guest.exec(`test -e ${fileOf("w")}`)).code === 0;

    const staged = (delivery: KernelDelivery, injections: number) => [
        encodeBegin(2n, 1n, 1, injections),
        encodeBinding(2n, key, [{ uid: 1001 }], delivery),
    ];
    const changed = (injection: KernelInjection, change: (frame: Buffer) => void) => {
        const frame = encodeInjection(2n, key, injection);
        change(frame);
        return frame;
    };
    const at = layout.injection.fields;
    const rule = (path: string, method?: string): KernelInjection => ({ ...header, rules: [{ path, method }] });
    const named = (name: string, prefix = ""): KernelInjection => ({
        ...header,
        add: { kind: "header", name, prefix },
    });

    const refused: [string, string, () => Buffer][] = [
        ["a host with a capital", "EINVAL", () => encodeInjection(2n, key, { ...header, host: "Api.example.com" })],
        ["a host that ends in a dot", "EINVAL", () => encodeInjection(2n, key, { ...header, host: "example.com." })],
        ["a host with an empty label", "EINVAL", () => encodeInjection(2n, key, { ...header, host: "a..b" })],
        ["a host with a port", "EINVAL", () => encodeInjection(2n, key, { ...header, host: "a:80" })],
        ["a label of 64 letters", "EINVAL", () => encodeInjection(2n, key, { ...header, host: "a".repeat(64) })],
        ["a label that begins with -", "EINVAL", () => encodeInjection(2n, key, { ...header, host: "a.-b" })],
        ["no host", "EINVAL", () => changed(header, (frame) => frame.fill(0, at.host, at.trust))],
        ["port 0", "EINVAL", () => encodeInjection(2n, key, { ...header, port: 0 })],
        ["port 65536", "EINVAL", () => changed(header, (frame) => frame.writeUInt32LE(65_536, at.port))],
        ["an unknown scheme", "EINVAL", () => changed(header, (frame) => frame.writeUInt32LE(3, at.scheme))],
        ["a region beside a header", "EINVAL", () => changed(header, (frame) => frame.write("eu", at.region))],
        ["a header beside a region", "EINVAL", () => changed(sigv4, (frame) => frame.write("X-Key", at.header_name))],
        [
            "a body limit beside a header",
            "EINVAL",
            () => changed(header, (frame) => frame.writeUInt32LE(1, at.body_max)),
        ],
        ["SigV4 without service", "EINVAL", () => changed(sigv4, (frame) => frame.fill(0, at.service, at.rules))],
        [
            "a body limit over 16 MiB",
            "EINVAL",
            () => changed(sigv4, (frame) => frame.writeUInt32LE(16_777_217, at.body_max)),
        ],
        [
            "a handshake of more than a minute",
            "EINVAL",
            () => changed(header, (frame) => frame.writeUInt32LE(60_001, at.handshake_ms)),
        ],
        ["a trust store with a slash", "EINVAL", () => encodeInjection(2n, key, { ...header, trust: "../x" })],
        ["a header name with a space", "EINVAL", () => encodeInjection(2n, key, named("X Key"))],
        ["a header name with a colon", "EINVAL", () => encodeInjection(2n, key, named("X:"))],
        ["the header that frames a body", "EINVAL", () => encodeInjection(2n, key, named("content-length"))],
        ["the header that routes", "EINVAL", () => encodeInjection(2n, key, named("Host"))],
        ["a prefix with a line break", "EINVAL", () => encodeInjection(2n, key, named("X-Key", "a\r\nb: "))],
        ["a rule without a path", "EINVAL", () => changed(rule("/"), (frame) => frame.writeUInt8(0, at.rules + 16))],
        ["a relative path", "EINVAL", () => encodeInjection(2n, key, rule("v1"))],
        ["a path with a query", "EINVAL", () => encodeInjection(2n, key, rule("/v1?x"))],
        ["a path with an escape", "EINVAL", () => encodeInjection(2n, key, rule("/v1%2fx"))],
        ["a method with a space", "EINVAL", () => encodeInjection(2n, key, rule("/", "GET /"))],
        ["a host without an end", "EBADMSG", () => changed(header, (frame) => frame.fill(97, at.host, at.trust))],
        ["bytes after the prefix's end", "EBADMSG", () => changed(header, (frame) => frame.write("x", at.region - 1))],
        ["a path without an end", "EBADMSG", () => changed(rule("/"), (frame) => frame.fill(47, at.rules + 16))],
        [
            "part of a rule",
            "EMSGSIZE",
            () => {
                const frame = Buffer.concat([encodeInjection(2n, key, header), Buffer.alloc(100)]);
                frame.writeUInt32LE(frame.length, 0);
                return frame;
            },
        ],
        ["an injection for a binding that is not staged", "ENOENT", () => encodeInjection(2n, keyOf("other"), header)],
    ];
    it("refuses injections that could mislead a request or the TLS helper", async () => {
        const frames = refused.flatMap(([, , frame]) => [...staged(onWire, 1), frame()]);
        const answers = await answersTo(...frames);
        const last = refused.map(([name], index) => [name, answers[index * 3 + 2]]);
        assert.deepEqual(Object.fromEntries(last), Object.fromEntries(refused.map(([name, errno]) => [name, errno])));
    });

    it("takes names, addresses and schemes that can be sent", async () => {
        const taken: KernelInjection[] = [
            header,
            sigv4,
            { ...header, host: "127.0.0.1", port: 65_535, handshakeMs: 60_000, trust: "a".repeat(71) },
            named("x-api-key"),
            { ...rule("/v1/chat/completions", "POST"), host: "a-b.c" },
        ];
        const frames = taken.flatMap((injection) => [...staged(onWire, 1), encodeInjection(2n, key, injection)]);
        for (const answer of await answersTo(...frames)) {
            assert.match(answer, /^\d+$/);
        }
    });

    it("refuses an injection outside a table, over the count, twice for a host and port, and for a file", async () => {
        const injection = encodeInjection(2n, key, header);
        const answers = [
            await answerTo(injection),
            await answerTo(encodeBegin(2n, 1n, 1, 4_096), encodeBegin(2n, 1n, 1, 4_096)),
            await answerTo(...staged(onWire, 0), injection),
            await answerTo(...staged(onWire, 2), injection, injection),
            await answerTo(...staged(inFile, 1), injection),
            await answerTo(...staged(onWire, 1), encodeCommit(2n, 1n)),
        ];
        assert.deepEqual(answers, ["EPROTO", "32", "ENOSPC", "EEXIST", "ENOENT", "EINVAL"]);
        const begin = encodeBegin(2n, 1n, 1, 1);
        begin.writeUInt32LE(4_097, layout.begin.fields.injections);
        assert.equal(await answerTo(begin), "ENOSPC");
    });

    it("refuses a delivery that is none or unknown", async () => {
        const binding = (delivery: number) => {
            const frame = encodeBinding(2n, key, [{ uid: 1 }], onWire);
            frame.writeUInt32LE(delivery, layout.binding.fields.delivery);
            return frame;
        };
        const begin = encodeBegin(2n, 1n, 1, 0);
        assert.deepEqual([await answerTo(begin, binding(0)), await answerTo(begin, binding(4))], ["EINVAL", "EINVAL"]);
    });

    it("has no file for a binding on the wire, and no secret for one in a file", async () => {
        const credential = write(encodeCredential(3n, key, inAnHour(), Buffer.from(content)));
        const last = async (...steps: Step[]) =>
            (await machine.device({ do: "open" }, hello(), { do: "read" }, ...steps)).at(-1)!.text;
        assert.equal(await last(...tableOf(2n, onWire, header), credential), "ENOENT");
        assert.equal(await isThere(), false);
        assert.equal(await last(...tableOf(3n, inFile), write(secret())), "ENOENT");
        assert.equal(await isThere(), true);
        await machine.session(...tableOf(4n, both, header), credential, write(secret()));
        assert.match((await machine.act("uid=1001", `open=${fileOf("w")}`, "read=4096")).at(-1)!, /canary/);
    });

    it("refuses secrets that do not fit a header, and those that have ended", async () => {
        await machine.session(...tableOf(5n, onWire, header));
        const at = layout.secret.fields;
        const patched = (change: (frame: Buffer) => void) => {
            const frame = secret();
            change(frame);
            return frame;
        };
        const answers = await answersTo(
            patched((frame) => frame.writeUInt8(10, at.bytes)),
            patched((frame) => frame.writeUInt8(0, at.bytes + 2)),
            patched((frame) => frame.writeUInt32LE(3, at.lengths)),
            patched((frame) => frame.writeUInt32LE(0xffff_fff0, at.lengths + 12)),
            patched((frame) => {
                frame.writeUInt32LE(0, at.lengths);
                frame.writeUInt32LE(14, at.lengths + 4);
            }),
            secret(Date.now() - 60_000),
            secret(Number.MAX_SAFE_INTEGER),
        );
        const refused = ["EINVAL", "EINVAL", "EMSGSIZE", "EMSGSIZE", "EINVAL", "EKEYEXPIRED", "EINVAL"];
        assert.deepEqual(answers, refused);
    });

    it("counts injections and keeps a secret over a COMMIT, a binding's end wipes it", async () => {
        await machine.session(...tableOf(6n, onWire, header, { ...header, port: 80 }), write(secret()));
        const before = await stats();
        assert.equal(before.injections, 2);
        assert.equal(before.bindings, 1);
        await machine.session(...tableOf(7n, onWire, header));
        assert.equal((await stats()).injections, 1);
        assert.equal((await stats()).wiped, before.wiped);
        await machine.session(write(secret()));
        assert.equal((await stats()).wiped, before.wiped + 1n);
        await machine.session(write(encodeWipe(4n, key)), write(secret()));
        assert.equal((await stats()).wiped, before.wiped + 2n);
        await machine.session(...tableOf(8n, inFile));
        const after = await stats();
        assert.equal(after.wiped, before.wiped + 3n);
        assert.equal(after.injections, 0);
    });

    it("wipes a secret at its expiry and tells so", async () => {
        // Events of the tests before come first.
        await machine.session(...Array.from({ length: 8 }, () => ({ do: "read" as const, waitMs: 0 })));
        const now = Number((await machine.sh("date +%s%3N")).trim());
        const answers = await machine.session(...tableOf(9n, onWire, header), write(secret(now + 3_000 * slowness)), {
            do: "read",
            waitMs: 60_000,
        });
        const event = answers.at(-1)!.message;
        assert.equal(event?.kind, "expire", answers.at(-1)!.text);
        assert.deepEqual((event as { key: unknown }).key, key);
    });

    it("puts thousands of injections in force and takes them away", async () => {
        const names = Array.from({ length: 128 }, (_, index) => `many-${index}`);
        const frames = names.flatMap((name) => [
            encodeBinding(2n, keyOf(name), [{ uid: 1001, cgroup: "/a/b" }], onWire),
            ...Array.from({ length: 32 }, (_, index) =>
                encodeInjection(2n, keyOf(name), { ...header, host: `h${index}.example.com`, port: 1 + index }),
            ),
        ]);
        await machine.session(
            write(encodeBegin(2n, 20n, 128, 4_096)),
            ...frames.map(write),
            write(encodeCommit(2n, 20n)),
        );
        assert.equal((await stats()).injections, 4_096);
        await machine.session(write(encodeBegin(2n, 21n, 0, 0)), write(encodeCommit(2n, 21n)));
        assert.equal((await stats()).injections, 0);
    });
});
