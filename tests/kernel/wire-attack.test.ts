// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { exespoof, place } from "./machine";
import { bearerOf, type Binding, host, ports, request, type Scenario, scenarios, Wire, wireProgram } from "./wire";

const bindings: Record<string, Binding> = {
    bound: { uid: 2001 },
    named: { uid: 2002, facts: [{ uid: 2002, comm: "trusted" }] },
    rooted: { uid: 0, facts: [{ uid: 0, comm: "rooted" }] },
    executable: { uid: 2004 },
    ofRoot: { uid: 0 },
};
const get = request();
const connect = `connect=${ports.good}`;
const sent = /^send \d+$/;
const injected = (name: string) => new RegExp(`^answer 200 .*"authorization":\\["Bearer ${bearerOf(name)}"\\]`);
const [sol_tls, tls_tx, tls_rx] = [282, 1, 2];
const refusals = ["ENOPROTOOPT"];
const one = "01000000";

describe("kernel module: attacks on the wire", function () {
    this.timeout(400_000);
    let wire: Wire;

    before(async () => {
        wire = await Wire.start(bindings);
        // A program that is bound by its file, and a copy of it that is not.
        await wire.machine.sh(`cp ${wireProgram} ${place}/wire-bound; cp ${wireProgram} ${place}/wire-copy`);
        const executable = await wire.machine.executable(`${place}/wire-bound`);
        const sha256 = await wire.machine.sha256(`${place}/wire-bound`);
        await wire.bind({
            executable: { uid: 2004, facts: [{ uid: 2004, executable, sha256 }] },
            ofRoot: { uid: 0, facts: [{ uid: 0, executable, sha256 }] },
        });
    });
    after(() => wire.stop());

    const options = (names: Record<string, string>): Scenario[] =>
        Object.entries(names).map(([name, option]) => ({
            name,
            as: bindings.rooted!.uid,
            does: ["comm=rooted", connect, option, `send=${get}`, "answer", option, `send=${get}`, "answer"],
            sees: [
                "comm ok",
                "connect ok",
                new RegExp(`^[sg]etopt ${refusals[0]}$`),
                sent,
                injected("rooted"),
                new RegExp(`^[sg]etopt ${refusals[0]}$`),
                sent,
                injected("rooted"),
            ],
            arrives: 2,
        }));

    describe("by root's socket options, before and after TLS is up", () => {
        scenarios(
            () => wire,
            options({
                "session keys for sending (AES-128)": `getopt=${sol_tls},${tls_tx},40`,
                "session keys for sending (AES-256)": `getopt=${sol_tls},${tls_tx},56`,
                "session keys for receiving": `getopt=${sol_tls},${tls_rx},56`,
                "keys of one's own": `setopt=${sol_tls},${tls_tx},${"00".repeat(40)}`,
                "a protocol over TCP of one's own": "setopt=6,31,746c7300",
                "repair mode": `setopt=6,19,${one}`,
                "a fast open later": `setopt=6,30,${one}`,
            }),
        );
        scenarios(
            () => wire,
            [
                {
                    name: "turning an IPv6 socket into an IPv4 one",
                    does: [
                        "socket=tcp6",
                        `${connect}@::ffff:127.0.0.1`,
                        "setopt=41,1,02000000",
                        `send=${get}`,
                        "answer",
                        "setopt=41,1,02000000",
                    ],
                    sees: [
                        "socket ok",
                        "connect ok",
                        "setopt ENOPROTOOPT",
                        sent,
                        injected("bound"),
                        "setopt ENOPROTOOPT",
                    ],
                    arrives: 1,
                },
            ],
        );
    });

    describe("by other ways to send", () => {
        scenarios(
            () => wire,
            [
                {
                    name: "data in the SYN",
                    does: [`open=${get}`, `send=${get}`],
                    sees: [/^open (EPIPE|EINPROGRESS)$/, "send EPIPE"],
                    arrives: 0,
                },
                {
                    name: "a connect that waits for data, which is carried as any other",
                    does: ["socket=fastopen", connect, `send=${get}`, "answer"],
                    sees: ["socket ok", "connect ok", sent, injected("bound")],
                    arrives: 1,
                },
                {
                    name: "Multipath TCP",
                    does: ["socket=mptcp", connect, "timeout=5000", `send=${get}`, "recv=1"],
                    sees: ["socket ok", /^connect /, "timeout ok", /^send /, /^recv (0|E(?!AGAIN)\w+)$/],
                    arrives: 0,
                },
                {
                    name: "MSG_ZEROCOPY",
                    does: [connect, `setopt=1,60,${one}`, `zerocopy=${get}`, `send=${get}`, "answer"],
                    sees: ["connect ok", /^setopt/, "zerocopy EOPNOTSUPP", sent, injected("bound")],
                    arrives: 1,
                },
                ...["plain", "async", "sqpoll"].map((kind): Scenario => ({
                    name: `io_uring ${kind}, which is carried as any other`,
                    does: [connect, `uring=${kind}:${get}`, "answer"],
                    sees: ["connect ok", /^uring \d+$/, injected("bound")],
                    arrives: 1,
                })),
                {
                    name: "a connect by a worker of io_uring, which is carried as any other",
                    as: bindings.named!.uid,
                    does: ["comm=trusted", `uconnect=${ports.good}`, `send=${get}`, "answer"],
                    sees: ["comm ok", "uconnect ok", sent, injected("named")],
                    arrives: 1,
                },
                {
                    name: "io_uring without copying",
                    does: [connect, `uring=zc:${get}`],
                    sees: ["connect ok", "uring EOPNOTSUPP"],
                    arrives: 0,
                },
            ],
        );
    });

    describe("by another process with the socket", () => {
        const { named } = bindings;
        const start = ["comm=trusted", connect, `send=${get}`, "answer"];
        const started = ["comm ok", "connect ok", sent, injected("named")];
        scenarios(
            () => wire,
            [
                {
                    name: "that inherited it",
                    as: named!.uid,
                    does: [...start, "child", "comm=other", `send=${get}`, "recv=1"],
                    sees: [...started, "comm ok", "send EACCES", /^recv (0|E\w+)$/],
                    arrives: 1,
                },
                {
                    name: "that was handed it",
                    as: named!.uid,
                    does: [...start, "pass", "comm=other", `send=${get}`],
                    sees: [...started, "comm ok", "send EACCES"],
                    arrives: 1,
                },
                {
                    name: "that was handed it before anything was written",
                    as: named!.uid,
                    does: ["comm=trusted", connect, "pass", "comm=other", "state"],
                    sees: ["comm ok", "connect ok", "comm ok", /^state first/],
                    arrives: 0,
                },
                {
                    name: "that is a thread of the bound one, which may",
                    as: named!.uid,
                    does: ["comm=trusted", connect, "writers=1", "answer"],
                    sees: ["comm ok", "connect ok", "writers 1", injected("named")],
                },
            ],
        );

        it("is told to the agent as the wrong identity", async () => {
            const health = await wire.machine.health();
            assert.ok(health.wire_identity! >= 2, JSON.stringify(health));
        });
    });

    it("carries nothing of a process that looks like the bound one: other name, namespace or file", async () => {
        const does = [connect, `send=${request("GET", "/imposter")}`, "recv=1"];
        const outputs = await wire.run([
            { name: "other name", as: bindings.named!.uid, does: ["comm=other", ...does], sees: [] },
            { name: "namespace", does: ["userns", ...does], sees: [] },
        ]);
        const copies = await wire.machine.sh(
            ["copy", "bound"]
                .map(
                    (file) =>
                        `timeout 60 ${place}/wire-${file} uid=2004 ${does.map((action) => `'${action}'`).join(" ")}`,
                )
                .join("; "),
        );
        assert.deepEqual(
            [...outputs.map((lines) => lines.slice(1)), copies.split("\n").slice(1, 4)],
            Array(3).fill(["connect ok", "send 42", "recv 0"]),
        );
        assert.match(copies.split("\n").slice(4, 8).join("\n"), /connect ok\nsend 42\nrecv 1 H/);
        const plain = (await wire.journal()).filter(({ what }) => what === "plain");
        assert.deepEqual(
            plain.map(({ detail }) => detail),
            Array(3).fill(`GET /imposter HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
        );
    });

    describe("by a process that passes for the bound executable", () => {
        const spoof = (uid: number, ...initial: string[]) =>
            wire.machine.sh([exespoof, uid, `${place}/wire-bound`, `port=${ports.good}`, ...initial].join(" "));
        const spoofed = async () =>
            (await wire.journal()).filter(({ target, detail }) => `${target} ${detail}`.includes("/spoofed"));

        it("carries nothing of it in a user namespace of its own", async () => {
            // The spoof has worked, and the server has ended what is no TLS.
            assert.equal(await spoof(bindings.executable!.uid), "SR000\n");
            assert.deepEqual(
                (await spoofed()).map(({ what, detail }) => [what, detail]),
                [["plain", `GET /spoofed HTTP/1.1\r\nHost: ${host}\r\n\r\n`]],
            );
        });

        it("is deceived by root in the initial one, as nothing else tells the two apart", async () => {
            assert.match(await spoof(bindings.ofRoot!.uid, "initial"), /^SR000\nHTTP\/1\.1 200 /);
            assert.deepEqual((await spoofed()).at(-1)!.authorization, [`Bearer ${bearerOf("ofRoot")}`]);
        });
    });

    describe("by the TLS helper's device", () => {
        it("is for root alone, and for one", async () => {
            const output = await wire.machine.sh(
                "stat -c %a:%U /dev/riptides-tls; head -c1 /dev/riptides-tls 2>&1; setpriv --reuid=65534 --clear-groups head -c1 /dev/riptides-tls 2>&1; :",
            );
            assert.match(output, /^600:root\n.*busy\n.*denied\n$/);
        });

        it("sends nothing when a helper says that it is done and it is not", async () => {
            await wire.machine.sh("systemctl stop riptides-tls");
            const command = wire.command({ name: "betrayed", does: [connect, `send=${get}`], sees: [] });
            const kinds = ["nothing", "twice", "stranger", "tx", "tls12"];
            const output = await wire.machine.sh(
                kinds
                    .map(
                        (kind) =>
                            `echo "== ${kind}"; ${wire.unit("wire-liar", `${place}/liar ${kind}`, `/run/wire-suite/liar`)}; ${command}; systemctl stop wire-liar; cat /run/wire-suite/liar`,
                    )
                    .join("\n"),
            );
            await wire.startHelper();
            const parts = Object.fromEntries(
                output
                    .split("== ")
                    .slice(1)
                    .map((part) => part.trim().split("\n"))
                    .map(([kind, , ...lines]) => [kind, lines.join(", ")]),
            );
            const refused = "connect ok, send EPROTO, device ok, accept ok";
            assert.deepEqual(parts, {
                nothing: `${refused}, done ok`,
                twice: `${refused}, done ok, done ENOENT`,
                stranger: `${refused}, done ENOENT, done ok`,
                tx: `${refused}, ulp ok, tx ok, done ok`,
                tls12: `${refused}, ulp ok, tx ok, rx ok, done ok`,
            });
            const mine = (await wire.journal()).filter(
                ({ target, detail }) => target?.includes("betrayed") || detail?.includes("betrayed"),
            );
            assert.deepEqual(mine, []);
        });
    });
});
