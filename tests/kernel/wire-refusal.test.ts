// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { encodeWipe, type KernelMessage, wireKinds } from "../../api/kernel-message";
import { keyOf, slowness, type Step, write } from "./machine";
import {
    bearerOf,
    type Binding,
    host,
    meet,
    otherHost,
    ports,
    publish,
    request,
    type Scenario,
    scenarios,
    services,
    Wire,
} from "./wire";

const rules = [{ method: "POST", path: "/v1/chat/completions" }, { path: "/open/" }];
const bindings: Record<string, Binding> = {
    bound: { uid: 2001 },
    ruled: { uid: 2002, injections: services({ rules }) },
    missing: { uid: 2003, secret: null },
    ending: { uid: 2004, secret: null },
    turning: { uid: 2005 },
};
const get = request();
const good = `connect=${ports.good}`;
const sent = /^send \d+$/;
const refusedBy = (name: string, errno: string, text: string, more: Partial<Scenario> = {}): Scenario => ({
    name,
    does: [good, `send=${text}`, `send=${get}`],
    sees: ["connect ok", `send ${errno}`, "send EPIPE"],
    arrives: 0,
    ...more,
});
const malformed = (name: string, text: string, errno = "EINVAL") => refusedBy(name, errno, text);
const ok = (name: string, text: string, arrives = 1): Scenario => ({
    name,
    does: [good, `send=${text}`, "answer"],
    sees: ["connect ok", sent, /^answer 200/],
    arrives,
});
const H = `Host: ${host}\\r\\n`;

describe("kernel module: what is refused on the wire", function () {
    this.timeout(400_000);
    let wire: Wire;

    before(async () => {
        wire = await Wire.start(bindings);
    });
    after(() => wire.stop());

    /** Runs a scenario, with frames of the agent where it meets; answers its lines. */
    const meeting = async (name: string, as: number, does: string[], ...steps: Step[]) => {
        const begin = { do: "run" as const, command: wire.begin({ name, as, does, sees: [] }) };
        const answers = await wire.machine.session(begin, ...steps, { do: "run", command: wire.finish });
        return answers.at(-1)!.text.trim().split("\n").slice(1);
    };

    describe("by TLS: EPROTO, then EPIPE, and no request arrives", () => {
        const failing = (name: string, port: number): Scenario =>
            refusedBy(name, "EPROTO", get, { does: [`connect=${port}`, `send=${get}`, `send=${get}`] });
        scenarios(
            () => wire,
            [
                failing("a server that has TLS 1.2 only", ports.tls12),
                failing("a server of another name", ports.wrongName),
                failing("a certificate that has expired", ports.expired),
                failing("a certificate that is not valid yet", ports.future),
                failing("an authority that is not trusted", ports.unknownAuthority),
                failing("a server that drops the connection", ports.drop),
                failing("a server that does not speak TLS", ports.garbage),
                {
                    name: "a server that is silent until the deadline",
                    does: [`connect=${ports.silent}`, `send=${get}`, `send=${get}`],
                    sees: ["connect ok", "send ETIMEDOUT", "send EPIPE"],
                    arrives: 0,
                },
                {
                    name: "a server of another name for a writer that does not block",
                    does: [
                        `connect=${ports.wrongName}`,
                        "nonblock",
                        `send=${get}`,
                        "await=in",
                        "recv=1",
                        "recv=1",
                        `send=${get}`,
                    ],
                    sees: [
                        "connect ok",
                        "nonblock ok",
                        sent,
                        /^await .*err/,
                        "recv EPROTO",
                        /^recv (0|EPIPE)$/,
                        "send EPIPE",
                    ],
                    arrives: 0,
                },
                {
                    name: "a server of another name for who asks SO_ERROR",
                    does: [`connect=${ports.wrongName}`, "nonblock", `send=${get}`, "await=in", "error"],
                    sees: ["connect ok", "nonblock ok", sent, /^await .*err/, "error EPROTO"],
                    arrives: 0,
                },
                {
                    // Natively, a closed socket whose connect() did not wait is taken apart by the next one.
                    name: "a server of another name for who connects again",
                    does: [
                        "socket=async",
                        `connect=${ports.wrongName}`,
                        "await=out",
                        `send=${get}`,
                        "await=in",
                        `again=${ports.good}`,
                        `again=${ports.good}`,
                        "again=none",
                        "error",
                        `send=${get}`,
                    ],
                    sees: [
                        "socket ok",
                        "connect EINPROGRESS",
                        /^await .*out/,
                        sent,
                        /^await .*err/,
                        "again EISCONN",
                        "again EISCONN",
                        "again EOPNOTSUPP",
                        "error EPROTO",
                        "send EPROTO",
                    ],
                    arrives: 0,
                },
            ],
        );
    });

    describe("during the handshake", () => {
        scenarios(
            () => wire,
            [
                {
                    name: "has nothing to read and takes no second write",
                    does: [
                        `connect=${ports.silent}`,
                        "nonblock",
                        `send=${get}`,
                        "recv=1",
                        `send=${get}`,
                        "poll=300",
                        "state",
                    ],
                    sees: [
                        "connect ok",
                        "nonblock ok",
                        sent,
                        "recv EAGAIN",
                        "send EAGAIN",
                        "poll nothing",
                        `state handshake error=none requests=1 injections=0 host=${host}`,
                    ],
                    arrives: 0,
                },
                {
                    name: "can be closed",
                    does: [`connect=${ports.silent}`, "nonblock", `send=${get}`, "close"],
                    sees: ["connect ok", "nonblock ok", sent, "close ok"],
                    arrives: 0,
                },
                {
                    name: "can be reset",
                    does: [`connect=${ports.silent}`, "nonblock", `send=${get}`, "reset"],
                    sees: ["connect ok", "nonblock ok", sent, "reset ok"],
                    arrives: 0,
                },
                {
                    name: "can be shut down both ways",
                    does: [`connect=${ports.silent}`, "nonblock", `send=${get}`, "shut=rdwr", "block", `send=${get}`],
                    sees: ["connect ok", "nonblock ok", sent, "shut ok", "block ok", "send EPIPE"],
                    arrives: 0,
                },
                {
                    name: "can be left while a head is written",
                    does: [good, `send=GET /% HTTP/1.1\\r\\n${H}`, "state", "close"],
                    sees: ["connect ok", sent, /^state collect error=none requests=0/, "close ok"],
                    arrives: 0,
                },
                {
                    name: "can be left before anything is written",
                    does: [good, "poll=100", "state", "close"],
                    sees: ["connect ok", "poll out", /^state first/, "close ok"],
                    arrives: 0,
                },
            ],
        );

        it("leaves no connection behind", async () => {
            await wire.machine.sh("timeout 60 sh -c 'until ! grep -q . /proc/riptides/connections; do :; done'");
            assert.equal((await wire.machine.health()).connections, 0);
        });
    });

    describe("by policy and HTTP, with nothing sent", () => {
        scenarios(
            () => wire,
            [
                refusedBy("without a secret", "EACCES", get, { as: bindings.missing!.uid }),
                refusedBy(
                    "to a host that is not declared",
                    "EACCES",
                    `GET /% HTTP/1.1\\r\\nHost: evil.test\\r\\n\\r\\n`,
                ),
                refusedBy("to another port in Host", "EACCES", `GET /% HTTP/1.1\\r\\nHost: ${host}:80\\r\\n\\r\\n`),
                refusedBy("to the root's dot", "EACCES", `GET /% HTTP/1.1\\r\\nHost: ${host}.\\r\\n\\r\\n`),
                refusedBy("to another host's target", "EINVAL", `GET http://evil.test/% HTTP/1.1\\r\\n${H}\\r\\n`),
                malformed(
                    "with length and coding",
                    `POST /% HTTP/1.1\\r\\n${H}Content-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n`,
                ),
                malformed(
                    "with two lengths",
                    `POST /% HTTP/1.1\\r\\n${H}Content-Length: 5\\r\\nContent-Length: 6\\r\\n\\r\\n`,
                ),
                malformed(
                    "with the same length twice",
                    `POST /% HTTP/1.1\\r\\n${H}Content-Length: 5\\r\\nContent-Length: 5\\r\\n\\r\\n`,
                ),
                malformed(
                    "with a coding that is not chunked",
                    `POST /% HTTP/1.1\\r\\n${H}Transfer-Encoding: gzip, chunked\\r\\n\\r\\n`,
                ),
                malformed("with a bare line feed", `GET /% HTTP/1.1\\r\\n${H}A: b\\nC: d\\r\\n\\r\\n`),
                malformed("with a bare carriage return", `GET /% HTTP/1.1\\r\\n${H}A: b\\rC: d\\r\\n\\r\\n`),
                malformed("with a folded line", `GET /% HTTP/1.1\\r\\n${H}A: b\\r\\n c\\r\\n\\r\\n`),
                malformed("with a NUL", `GET /% HTTP/1.1\\r\\n${H}A: \\0\\r\\n\\r\\n`),
                malformed("with a space before a colon", `GET /% HTTP/1.1\\r\\n${H}Authorization : x\\r\\n\\r\\n`),
                malformed("without Host", `GET /% HTTP/1.1\\r\\n\\r\\n`),
                malformed("with two hosts", `GET /% HTTP/1.1\\r\\n${H}${H}\\r\\n`),
                malformed(
                    "with an Upgrade",
                    `GET /% HTTP/1.1\\r\\n${H}Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n`,
                ),
                malformed(
                    "with a header for the next hop",
                    `GET /% HTTP/1.1\\r\\n${H}Connection: close, Authorization\\r\\n\\r\\n`,
                ),
                malformed("that is a CONNECT", `CONNECT ${host}:443 HTTP/1.1\\r\\n${H}\\r\\n`),
                malformed("that begins HTTP/2", `PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n`),
                {
                    name: "that is HTTP/0.9 with another behind it",
                    does: [good, "send=GET /%\\r\\n", `send=${get}`],
                    sees: ["connect ok", sent, "send EINVAL"],
                    arrives: 0,
                },
                malformed("that is neither HTTP nor TLS", `\\0\\x01\\x02hello`, "EPROTO"),
                {
                    name: "with a head of 65537 bytes",
                    does: [good, "head=65537", "state"],
                    sees: ["connect ok", "head EMSGSIZE", /^state fail error=EMSGSIZE/],
                    arrives: 0,
                },
                {
                    name: "with a chunk that is broken, after its head has left",
                    does: [
                        good,
                        `send=${request("POST", "/%", "Transfer-Encoding: chunked")}`,
                        "send=3\\r\\nabcX\\r\\n",
                        `send=${get}`,
                    ],
                    sees: ["connect ok", sent, "send EINVAL", "send EPIPE"],
                    arrives: 0,
                },
                {
                    name: "behind a good one on the same connection",
                    does: [good, `send=${get}`, "answer", `send=GET /% HTTP/1.1\\r\\nHost: ${otherHost}x\\r\\n\\r\\n`],
                    sees: ["connect ok", sent, /^answer 200/, "send EACCES"],
                    arrives: 1,
                },
                {
                    name: "to another declared host on a connection of the first",
                    does: [good, `send=${get}`, "answer", `send=GET /% HTTP/1.1\\r\\nHost: ${otherHost}\\r\\n\\r\\n`],
                    sees: ["connect ok", sent, /^answer 200/, "send EACCES"],
                    arrives: 1,
                },
                {
                    name: "by a rule of the method",
                    as: bindings.ruled!.uid,
                    does: [good, `send=${request("GET", "/v1/chat/completions")}`],
                    sees: ["connect ok", "send EACCES"],
                },
                {
                    name: "by a rule of the path",
                    as: bindings.ruled!.uid,
                    does: [good, `send=${request("POST", "/v1/chat/completionsX", "Content-Length: 0")}`],
                    sees: ["connect ok", "send EACCES"],
                },
                {
                    name: "by a rule that a dot segment leads round",
                    as: bindings.ruled!.uid,
                    does: [good, `send=${request("GET", "/open/../%")}`],
                    sees: ["connect ok", "send EACCES"],
                    arrives: 0,
                },
                {
                    name: "but not what a rule allows",
                    as: bindings.ruled!.uid,
                    does: [
                        good,
                        `send=${request("POST", "/v1/chat/completions", "Content-Length: 0")}`,
                        "answer",
                        `send=${request("GET", "/open/x?q=1")}`,
                        "answer",
                    ],
                    sees: ["connect ok", sent, /^answer 200/, sent, /^answer 200/],
                },
                ...[65_535, 65_536].map((size): Scenario => ({
                    name: `but not a head of ${size} bytes`,
                    does: [good, `head=${size}`, "answer"],
                    sees: ["connect ok", `head ${size}`, /^answer 200/],
                })),
                ok(
                    "but not a chunk with an extension",
                    `${request("POST", "/%", "Transfer-Encoding: chunked")}3\\r\\nabc\\r\\n0\\r\\n\\r\\n`,
                ),
            ],
        );
    });

    describe("and told", () => {
        it("tells why, a kind and errno each, and counts it", async () => {
            const reads = Array.from({ length: 300 }, () => ({ do: "read" as const, waitMs: 0 }));
            const told = (await wire.machine.session(...reads))
                .map(({ message }) => message)
                .filter((message): message is Extract<KernelMessage, { kind: "wire" }> => message?.kind === "wire");
            const errors = (what: (typeof wireKinds)[number]) =>
                [...new Set(told.filter((event) => event.what === what).map(({ error }) => error))].sort(
                    (a, b) => a - b,
                );
            const [EACCES, EINVAL, EPROTO, EMSGSIZE, ETIMEDOUT] = [13, 22, 71, 90, 110];
            assert.deepEqual(errors("refused"), [EACCES]);
            assert.deepEqual(errors("noSecret"), [EACCES]);
            assert.deepEqual(errors("malformed"), [EINVAL, EPROTO, EMSGSIZE]);
            assert.deepEqual(errors("handshake"), [EPROTO, ETIMEDOUT]);
            const health = await wire.machine.health();
            for (const counter of ["wire_refused", "wire_malformed", "wire_no_secret", "wire_handshake"]) {
                assert.ok(health[counter]! > 0, counter);
            }
            assert.ok(told.every(({ host: name }) => ["", host, otherHost].includes(name)));
        });
    });

    describe("by what changes under a connection", () => {
        const twice = [good, `send=${get}`, "answer", ...meet, `send=${get}`, "answer"];
        const { turning } = bindings;

        it("takes the secret of the time of each request", async () => {
            const rotated = bearerOf("rotated");
            const lines = await meeting("rotated", turning!.uid, twice, publish("turning", rotated));
            assert.match(lines[2]!, new RegExp(`"Bearer ${bearerOf("turning")}"`));
            assert.match(lines.at(-1)!, new RegExp(`"Bearer ${rotated}"`));
        });

        it("refuses the next request after a WIPE, and takes the one after a new secret", async () => {
            const lines = await meeting("wiped", turning!.uid, twice, write(encodeWipe(9n, keyOf("turning"))));
            assert.deepEqual(
                [lines[2]!.slice(0, 10), ...lines.slice(-2)],
                ["answer 200", "send EACCES", "answer EPIPE"],
            );
            await wire.publish("turning", bearerOf("turning"));
        });

        it("refuses the next request once the secret has ended", async () => {
            await wire.publish("ending", bearerOf("ending"), 8_000 * slowness);
            const expired = "until grep -q '^expired [1-9]' /sys/module/riptides/health; do :; done";
            const lines = await meeting("ended", bindings.ending!.uid, twice, {
                do: "run",
                command: `timeout ${60 * slowness} sh -c "${expired}"`,
            });
            assert.match(lines[2]!, /^answer 200/);
            assert.equal(lines.at(-2), "send EACCES");
        });

        /** The same, but the agent is gone before the scenario goes on. */
        const without = async (name: string, change: () => Promise<void>) => {
            await wire.machine.sh(wire.begin({ name, as: turning!.uid, does: twice, sees: [] }));
            await change();
            return (await wire.machine.sh(wire.finish)).trim().split("\n").slice(1);
        };

        it("goes on when the agent is gone and when it has put the same table in force again", async () => {
            const lines = await without("again", () => wire.bind({}, false));
            assert.match(lines.at(-1)!, /^answer 200/);
        });

        it("refuses the next request once the process is not bound any more", async () => {
            const lines = await without("unbound", () => wire.bind({ turning: { uid: 2_900 } }, false));
            assert.deepEqual(lines.slice(-2), ["send EACCES", "answer EPIPE"]);
        });

        it("refuses the next request once a rule forbids it", async () => {
            const ruled = { uid: turning!.uid, injections: services({ rules }) };
            await wire.bind();
            const lines = await without("forbidden", () => wire.bind({ turning: ruled }, false));
            await wire.bind();
            assert.deepEqual(lines.slice(-2), ["send EACCES", "answer EPIPE"]);
        });
    });

    describe("by the TLS helper", () => {
        const silently = `connect=${ports.silent}`;

        it("fails with EHOSTDOWN what it was at when it died, and what comes after", async () => {
            const does = [silently, "nonblock", `send=${get}`, ...meet, "await=in", "recv=1"];
            const killed = "systemctl kill --signal=KILL riptides-tls";
            const output = await wire.machine.sh(
                [wire.begin({ name: "orphan", does, sees: [] }), killed, wire.finish].join("; "),
            );
            assert.match(output, /await .*err.*\nrecv EHOSTDOWN\n/);
            const [lines] = await wire.run([{ name: "absent", does: [good, `send=${get}`, `send=${get}`], sees: [] }]);
            assert.deepEqual(lines, ["connect ok", "send EHOSTDOWN", "send EPIPE"]);
        });

        it("is served again once it is back", async () => {
            await wire.startHelper();
            const [lines] = await wire.run([{ name: "back", does: [good, `send=${get}`, "answer"], sees: [] }]);
            assert.match(lines!.at(-1)!, /^answer 200/);
        });
    });

    describe("and nowhere else", () => {
        it("has sent no request and no key to a server that did not prove itself", async () => {
            const arrivals = await wire.journal();
            const bad = arrivals.filter(({ port, what }) => port !== ports.good && what === "request");
            assert.deepEqual(bad, []);
            assert.deepEqual(
                arrivals.filter(({ what }) => what === "plain"),
                [],
            );
        });
    });
});
