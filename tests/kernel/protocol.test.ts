// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import {
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
    kernelLimits,
    layout,
} from "../../api/kernel-message";
import { fileOf, inFile, keyOf, Machine, onWire, type Step, table, write } from "./machine";

const hello = () => write(encodeHello(1n, "test"));

describe("kernel module: device protocol", function () {
    this.timeout(400_000);
    let machine: Machine;

    before(async () => {
        machine = await Machine.start();
    });
    after(() => machine.stop());

    /** Writes one frame in an open conversation; answers the errno or the length. */
    const answerTo = async (frame: Buffer) => {
        const answers = await machine.device({ do: "open" }, hello(), { do: "read" }, write(frame));
        return answers.at(-1)!.text;
    };
    const patched = (frame: Buffer, change: (frame: Buffer) => void) => {
        change(frame);
        return frame;
    };
    const inAnHour = () => Date.now() + 3_600_000;

    it("has a device for root alone and takes one opener", async () => {
        assert.equal((await machine.sh("stat -c %a:%U /dev/riptides")).trim(), "600:root");
        const answers = await machine.device({ do: "open" }, { do: "second" }, { do: "close" }, { do: "second" });
        assert.deepEqual(
            answers.map(({ text }) => text),
            ["0", "EBUSY", "0", "0"],
        );
    });

    it("asks for HELLO first, once, with its own ABI", async () => {
        const wrong = patched(encodeHello(1n, "test"), (frame) => frame.writeUInt32LE(1, layout.hello.fields.abi));
        const answers = await machine.device(
            { do: "open" },
            write(encodeStatsGet(1n)),
            { do: "poll" },
            write(wrong),
            hello(),
            { do: "poll" },
            hello(),
        );
        assert.deepEqual(
            answers.map(({ text }) => text),
            ["0", "EPROTO", "4", "EPROTONOSUPPORT", "56", "5", "EPROTO"],
        );
    });

    it("answers HELLO with its version and limits", async () => {
        const [, , answer] = await machine.device({ do: "open" }, hello(), { do: "read" });
        const version = (await machine.sh("cat /sys/module/riptides/version")).trim();
        const { bindings, content, blob } = kernelLimits;
        assert.deepEqual(answer!.message, {
            kind: "helloAck",
            seq: 1n,
            abi: 2,
            moduleVersion: version,
            generation: 0n,
            limits: { bindings, content, blob },
        });
    });

    const key = keyOf("b");
    const refused: [string, string, () => Buffer][] = [
        [
            "a length field that is too long",
            "EMSGSIZE",
            () => patched(encodeWipe(1n, key), (f) => f.writeUInt32LE(f.length + 1, 0)),
        ],
        [
            "a frame that is cut",
            "EMSGSIZE",
            () => patched(encodeWipe(1n, key).subarray(0, 100), (f) => f.writeUInt32LE(100, 0)),
        ],
        ["fewer bytes than a header", "EMSGSIZE", () => Buffer.alloc(15)],
        ["more than a blob", "EMSGSIZE", () => patched(Buffer.alloc(65_553), (f) => f.writeUInt32LE(f.length, 0))],
        ["a content of a page", "EMSGSIZE", () => oversized()],
        [
            "part of a second alternative",
            "EMSGSIZE",
            () =>
                patched(Buffer.concat([encodeBinding(1n, key, [{ uid: 1 }], inFile), Buffer.alloc(8)]), (f) =>
                    f.writeUInt32LE(f.length, 0),
                ),
        ],
        ["an unknown type", "EOPNOTSUPP", () => patched(encodeBlobGet(1n), (f) => f.writeUInt16LE(99, 4))],
        ["a reply's type", "EOPNOTSUPP", () => patched(encodeBlobGet(1n), (f) => f.writeUInt16LE(0x8001, 4))],
        ["flags", "EBADMSG", () => patched(encodeBlobGet(1n), (f) => f.writeUInt16LE(1, 6))],
        ["bytes after the name's end", "EBADMSG", () => patched(encodeWipe(1n, key), (f) => f.writeUInt8(65, 200))],
        ["a name without an end", "EBADMSG", () => patched(encodeWipe(1n, key), (f) => f.fill(65, 32, 288))],
        ["a name with a slash", "EINVAL", () => patched(encodeWipe(1n, key), (f) => f.write("a/b", 32))],
        ["the name ..", "EINVAL", () => patched(encodeWipe(1n, key), (f) => f.write("..", 32))],
        ["an empty name", "EINVAL", () => patched(encodeWipe(1n, key), (f) => f.fill(0, 32, 288))],
        ["a binding outside a table", "EPROTO", () => encodeBinding(1n, key, [{ uid: 1 }], inFile)],
        ["a commit outside a table", "EPROTO", () => encodeCommit(1n, 1n)],
        [
            "a table over the limit",
            "ENOSPC",
            () => patched(encodeBegin(1n, 1n, 1, 0), (f) => f.writeUInt32LE(4097, 24)),
        ],
        ["a credential for no binding", "ENOENT", () => encodeCredential(1n, key, inAnHour(), Buffer.from("x"))],
        [
            "an expired credential",
            "EKEYEXPIRED",
            () => encodeCredential(1n, key, Date.now() - 60_000, Buffer.from("x")),
        ],
        [
            "an expiry out of range",
            "EINVAL",
            () => encodeCredential(1n, key, Number.MAX_SAFE_INTEGER, Buffer.from("x")),
        ],
        ["wiping no binding", "ENOENT", () => encodeWipe(1n, key)],
    ];
    function oversized(): Buffer {
        const frame = Buffer.alloc(layout.credential.size + 4096);
        encodeCredential(1n, key, inAnHour(), Buffer.from("x")).copy(frame);
        frame.writeUInt32LE(frame.length, 0);
        return frame;
    }
    for (const [name, errno, frame] of refused) {
        it(`refuses ${name} with ${errno}`, async () => {
            assert.equal(await answerTo(frame()), errno);
        });
    }

    const badFacts: [string, string, (frame: Buffer, at: number) => void][] = [
        ["an empty mask", "EINVAL", (frame, at) => frame.writeUInt32LE(0, at)],
        ["an unknown fact", "EINVAL", (frame, at) => frame.writeUInt32LE(128 | 2, at)],
        ["a name that is not in the mask", "EINVAL", (frame, at) => frame.write("x", at + layout.facts.fields.comm)],
        ["a fact without its value", "EINVAL", (frame, at) => frame.writeUInt32LE(64, at)],
        [
            "a relative cgroup",
            "EINVAL",
            (frame, at) => (frame.writeUInt32LE(1, at), frame.write("a/b", at + layout.facts.fields.cgroup)),
        ],
        [
            "the root cgroup",
            "EINVAL",
            (frame, at) => (frame.writeUInt32LE(1, at), frame.write("/", at + layout.facts.fields.cgroup)),
        ],
        [
            "a cgroup without an end",
            "EBADMSG",
            (frame, at) => (
                frame.writeUInt32LE(1, at),
                frame.fill(47, at + layout.facts.fields.cgroup, at + layout.facts.size)
            ),
        ],
        [
            "the uid that is none",
            "EINVAL",
            (frame, at) => frame.writeUInt32LE(0xffff_ffff, at + layout.facts.fields.uid),
        ],
    ];
    for (const [name, errno, change] of badFacts) {
        it(`refuses facts with ${name} with ${errno}`, async () => {
            const frame = encodeBinding(2n, key, [{ uid: 1 }], inFile);
            change(frame, layout.binding.fields.facts);
            const answers = await machine.device(
                { do: "open" },
                hello(),
                write(encodeBegin(2n, 1n, 1, 0)),
                write(frame),
            );
            assert.equal(answers.at(-1)!.text, errno);
        });
    }

    it("changes nothing at a COMMIT whose count or generation does not fit", async () => {
        await machine.bind({ kept: { uid: 1001 } });
        const begin = write(encodeBegin(2n, 7n, 2, 0));
        const binding = write(encodeBinding(2n, keyOf("new"), [{ uid: 1001 }], inFile));
        const steps: Step[] = [begin, binding, write(encodeCommit(2n, 7n))];
        const short = await machine.device({ do: "open" }, hello(), { do: "read" }, ...steps);
        assert.equal(short.at(-1)!.text, "EINVAL");
        const other = await machine.device(
            { do: "open" },
            hello(),
            { do: "read" },
            write(encodeBegin(2n, 7n, 0, 0)),
            write(encodeCommit(2n, 8n)),
        );
        assert.equal(other.at(-1)!.text, "EINVAL");
        assert.equal((await machine.health()).generation, 1);
        assert.match((await machine.act("uid=1001", `open=${fileOf("kept")}`, "read=4096")).at(-1)!, /canary/);
        assert.equal((await machine.act(`open=${fileOf("new")}`)).at(-1), "open ENOENT");
    });

    it("refuses a binding staged twice, and more than announced", async () => {
        const binding = (name: string) => write(encodeBinding(2n, keyOf(name), [{ uid: 1 }], inFile));
        const answers = await machine.device(
            { do: "open" },
            hello(),
            { do: "read" },
            write(encodeBegin(2n, 9n, 2, 0)),
            binding("x"),
            binding("x"),
            binding("y"),
            binding("z"),
        );
        assert.deepEqual(
            answers.slice(-3).map(({ text }) => text),
            ["EEXIST", "1400", "ENOSPC"],
        );
    });

    it("takes and removes a table of 400 bindings", async () => {
        const names = Array.from({ length: 400 }, (_, index) => `many-${index}`);
        const facts = Object.fromEntries(names.map((name) => [name, { uid: 1001 }]));
        await machine.session(...table(20n, facts));
        const listed = await machine.sh(`ls ${fileOf("x").replace(/\/crb.*/, "")} | wc -l`);
        assert.equal(Number(listed), 400);
        await machine.session(...table(21n, {}));
        assert.equal((await machine.health()).bindings, 0);
        assert.equal((await machine.sh("ls /sys/module/riptides/credentials")).trim(), "");
    });

    it("keeps the blob over a reopening, replaces and clears it", async () => {
        const blob = Buffer.alloc(65_536, "blob");
        await machine.session(write(encodeBlobPut(2n, blob)));
        const [, first] = await machine.session(write(encodeBlobGet(3n)), { do: "read" });
        assert.deepEqual(first!.message, { kind: "blob", seq: 3n, bytes: blob });
        await machine.session(write(encodeBlobPut(2n, Buffer.alloc(0))));
        const [, second] = await machine.session(write(encodeBlobGet(4n)), { do: "read" });
        assert.deepEqual(second!.message, { kind: "blob", seq: 4n, bytes: Buffer.alloc(0) });
    });

    it("keeps a frame that does not fit the read buffer", async () => {
        const answers = await machine.session(
            write(encodeStatsGet(5n)),
            { do: "readsize", size: 100 },
            { do: "readsize", size: layout.stats.size },
        );
        assert.equal(answers[1]!.text, "EMSGSIZE");
        assert.equal(answers[2]!.message?.kind, "stats");
    });

    it("refuses more requests when 16 replies wait", async () => {
        const requests = Array.from({ length: 17 }, (_, index) => write(encodeStatsGet(BigInt(index))));
        const answers = await machine.device({ do: "open" }, hello(), { do: "read" }, ...requests);
        assert.deepEqual(
            answers.slice(-2).map(({ text }) => text),
            ["16", "ENOBUFS"],
        );
    });

    it("ends reading at SHUTDOWN, after the replies that wait", async () => {
        const answers = await machine.device(
            { do: "open" },
            hello(),
            write(encodeShutdown(2n)),
            { do: "read" },
            { do: "read" },
            { do: "poll" },
            write(encodeStatsGet(3n)),
        );
        assert.equal(answers[3]!.message?.kind, "helloAck");
        assert.deepEqual(
            answers.slice(4).map(({ text }) => text),
            ["end", "15", "ESHUTDOWN"],
        );
    });

    it("wakes a reader that blocks when SHUTDOWN comes from another thread", async () => {
        const script = [
            `exec 9<>/dev/riptides`,
            `send() { printf '%b' "$1" >/tmp/rt-frame; cat /tmp/rt-frame >&9; }`,
            `send '${escaped(encodeHello(1n, "test"))}'`,
            `cat <&9 >/dev/null & reader=$!`,
            `until [ "$(cat /proc/$reader/wchan)" = device_read ]; do :; done`,
            `send '${escaped(encodeShutdown(2n))}'`,
            `wait $reader`,
        ].join("\n");
        await machine.sh("timeout 20 bash", script);
    });
    const escaped = (frame: Buffer) => [...frame].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");

    it("takes thousands of malformed frames without harm", async () => {
        const seeds = [
            encodeHello(1n, "fuzz"),
            encodeBegin(2n, 1n, 2, 0),
            encodeBinding(3n, keyOf("a"), [{ uid: 1001, comm: "x" }], inFile),
            encodeBinding(3n, keyOf("b"), [{ cgroup: "/a/b" }, { gid: 3, sha256: new Uint8Array(32) }], inFile),
            encodeCommit(4n, 1n),
            encodeCredential(5n, keyOf("a"), inAnHour(), Buffer.from("fuzz-content")),
            encodeBinding(3n, keyOf("w"), [{ uid: 1001 }], onWire),
            encodeInjection(3n, keyOf("w"), {
                host: "api.example.com",
                port: 443,
                rules: [{ method: "POST", path: "/v1" }],
                add: { kind: "header", name: "Authorization", prefix: "Bearer " },
            }),
            encodeSecret(5n, keyOf("w"), inAnHour(), { kind: "header", value: Buffer.from("fuzz-secret") }),
            encodeWipe(6n, keyOf("a")),
            encodeBlobPut(7n, Buffer.alloc(300, 1)),
            encodeBlobGet(8n),
            encodeStatsGet(9n),
            encodeShutdown(10n),
        ];
        for (const seed of [1, 2, 3]) {
            const answers = await machine.fuzz(seed, 10_000, seeds);
            for (const errno of ["ok", "EMSGSIZE", "EBADMSG", "EINVAL", "EPROTO", "EOPNOTSUPP"]) {
                assert.ok(answers[errno]! > 10, `${errno} never came: ${JSON.stringify(answers)}`);
            }
            const known = [
                "ok",
                "EMSGSIZE",
                "EBADMSG",
                "EINVAL",
                "EPROTO",
                "EOPNOTSUPP",
                "EPROTONOSUPPORT",
                "EEXIST",
                "ENOSPC",
                "ENOENT",
                "EKEYEXPIRED",
                "ENOBUFS",
                "ESHUTDOWN",
            ];
            assert.deepEqual(
                Object.keys(answers).filter((errno) => !known.includes(errno)),
                [],
            );
        }
        await machine.session(...table(30n, {}));
        assert.equal((await machine.health()).bindings, 0);
    });
});
