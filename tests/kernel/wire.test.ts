// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { encodeStatsGet, type KernelMessage, type KernelStats } from "../../api/kernel-message";
import { contained, place, quote, write } from "./machine";
import {
    type Arrival,
    bearerOf,
    type Binding,
    host,
    meet,
    otherHost,
    ports,
    request,
    scenarios,
    services,
    Wire,
    wireProgram,
} from "./wire";

const stranger = 2999;
const bindings: Record<string, Binding> = {
    bound: { uid: 2001 },
    keyed: { uid: 2002, injections: services({ add: { kind: "header", name: "x-api-key", prefix: "" } }) },
};
const key = bearerOf("bound");
const got = (...bearers: string[]) =>
    new RegExp(`^answer 200 .*"authorization":${JSON.stringify(bearers).replaceAll(/[[\]]/g, "\\$&")}`);
const injected = got(`Bearer ${key}`);
const get = request();
const connect = `connect=${ports.good}`;
const sent = /^send \d+$/;

describe("kernel module: requests on the wire", function () {
    this.timeout(400_000);
    let wire: Wire;

    before(async () => {
        wire = await Wire.start(bindings);
    });
    after(() => wire.stop());

    describe("of the bound process, while lo is captured", () => {
        before(() => wire.startCapture());

        scenarios(
            () => wire,
            [
                {
                    name: "leaves over TLS with the key",
                    does: [connect, `send=${get}`, "answer", "state"],
                    sees: ["connect ok", sent, injected, `state open error=none requests=1 injections=1 host=${host}`],
                    arrives: 1,
                },
                {
                    name: "has a placeholder and its repetitions replaced by one key",
                    does: [
                        connect,
                        `send=${request("GET", "/%", "Authorization: Bearer riptides", "authorization: Basic eDp5")}`,
                        "answer",
                    ],
                    sees: ["connect ok", sent, injected],
                    arrives: 1,
                },
                {
                    name: "is understood however it is cut into writes",
                    does: [connect, `bytes=${get}`, "answer"],
                    sees: ["connect ok", /^bytes \d+$/, injected],
                    arrives: 1,
                },
                {
                    name: "is one of many on a connection",
                    does: [connect, `send=${get}`, "answer", `send=${get}`, "answer", "state"],
                    sees: ["connect ok", sent, injected, sent, injected, /requests=2 injections=2/],
                    arrives: 2,
                },
                {
                    name: "is one of three in one write, the second with a body",
                    does: [
                        connect,
                        `send=${get}${request("POST", "/%", "Content-Length: 3")}abc${get}`,
                        "answer",
                        "answer",
                        "answer",
                    ],
                    sees: ["connect ok", sent, injected, injected, injected],
                    arrives: 3,
                },
                {
                    name: "goes to an IPv6 address",
                    does: ["socket=tcp6", connect, `send=${get}`, "answer"],
                    sees: ["socket ok", "connect ok", sent, injected],
                    arrives: 1,
                },
                {
                    name: "goes to an IPv4 address of an IPv6 socket",
                    does: ["socket=tcp6", `${connect}@::ffff:127.0.0.1`, `send=${get}`, "answer"],
                    sees: ["socket ok", "connect ok", sent, injected],
                    arrives: 1,
                },
                {
                    name: "is written byte by byte under edge-triggered epoll",
                    does: [connect, `edge=${get}`],
                    sees: ["connect ok", "edge 12 HTTP/1.1 200"],
                    arrives: 1,
                },
                {
                    name: "is answered to a reader that waited before it was written",
                    does: [connect, "reader", `send=${get}`, "join"],
                    sees: ["connect ok", "reader ok", sent, "join 12 HTTP/1.1 200"],
                    arrives: 1,
                },
                {
                    name: "is answered after the writer's end",
                    does: [connect, `send=${get}`, "shut=wr", "answer", "recv=1"],
                    sees: ["connect ok", sent, "shut ok", injected, "recv 0"],
                    arrives: 1,
                },
                {
                    name: "is answered after an end during the handshake",
                    does: [connect, "nonblock", `send=${get}`, "shut=wr", "block", "answer"],
                    sees: ["connect ok", "nonblock ok", sent, "shut ok", "block ok", injected],
                    arrives: 1,
                },
                {
                    name: "goes on in a child of the process",
                    does: [connect, `send=${get}`, "answer", "child", `send=${get}`, "answer"],
                    sees: ["connect ok", sent, injected, sent, injected],
                    arrives: 2,
                },
                {
                    name: "comes whole from each of eight threads",
                    does: [connect, "writers=8", ...Array<string>(8).fill("answer")],
                    sees: ["connect ok", "writers 8", ...Array<RegExp>(8).fill(injected)],
                },
                {
                    name: "waits for 100 Continue",
                    does: [
                        connect,
                        `send=${request("POST", "/%", "Content-Length: 5", "Expect: 100-continue")}`,
                        "recv=25",
                        "send=hello",
                        "answer",
                    ],
                    sees: ["connect ok", sent, "recv 25 HTTP/1.1 100 Continue\\r\\n\\r\\n", "send 5", injected],
                    arrives: 1,
                },
                {
                    name: "goes to the service that Host names",
                    does: [
                        connect,
                        `send=GET /% HTTP/1.1\\r\\nhOST: ${otherHost}:${ports.good}\\r\\n\\r\\n`,
                        "answer",
                        "state",
                    ],
                    sees: ["connect ok", sent, injected, new RegExp(`host=${otherHost}$`)],
                    arrives: 1,
                },
                {
                    name: "may carry the key in another header, bare",
                    as: bindings.keyed!.uid,
                    does: [connect, `send=${request("GET", "/%", "X-Api-Key: placeholder")}`, "answer"],
                    sees: ["connect ok", sent, new RegExp(`"X-Api-Key":\\["${bearerOf("keyed")}"\\]`)],
                    arrives: 1,
                },
                {
                    name: "has no session ticket taken for its answer",
                    does: [connect, `send=${request("GET", "/late/1500")}`, "nonblock", "await=in", "recv=12"],
                    sees: ["connect ok", sent, "nonblock ok", "await in", "recv 12 HTTP/1.1 200"],
                },
                {
                    name: "has its answer peeked at, and read whole",
                    does: [
                        connect,
                        `send=${request("GET", "/big/100")}`,
                        "await=in",
                        "peek=8",
                        "waitall=140",
                        "timeout=300",
                        "recv=1",
                    ],
                    sees: [
                        "connect ok",
                        sent,
                        "await in",
                        "peek 8 HTTP/1.1",
                        /^waitall 140 HTTP\/1.1 200.*b{100}$/,
                        "timeout ok",
                        "recv EAGAIN",
                    ],
                },
            ],
        );

        it("leaves when twenty processes ask at once", async () => {
            const command = wire.command({ name: "parallel", does: [connect, `send=${get}`, "answer"], sees: [] });
            const output = await wire.machine.sh(`for i in $(seq 20); do ${command} & done; wait`);
            assert.equal(output.split("\n").filter((line) => injected.test(line)).length, 20, output);
        });

        it("leaves from curl", async () => {
            const output = await wire.machine.sh(
                `setpriv --reuid=${bindings.bound!.uid} --clear-groups curl -sS -m 60 -H 'Authorization: Bearer riptides' -d @/etc/passwd http://${host}:${ports.good}/curl http://${host}:${ports.good}/curl`,
            );
            const answers = output.match(/"authorization":\["[^\]]*"\]/g);
            const expected = `"authorization":["Bearer ${key}"]`;
            assert.deepEqual(answers, [expected, expected], output);
        });

        it("leaves from Python", async () => {
            const script = [
                "import socket",
                `s = socket.create_connection(("${host}", ${ports.good}))`,
                `s.sendall(b"GET /python HTTP/1.1\\r\\nHost: ${host}\\r\\n\\r\\n")`,
                "print(s.recv(4096).decode())",
            ].join("\n");
            const output = await wire.machine.sh(
                `setpriv --reuid=${bindings.bound!.uid} --clear-groups python3 -`,
                script,
            );
            assert.match(output, new RegExp(`"authorization":\\["Bearer ${key}"\\]`));
        });

        it("reaches the server as TLS 1.3 for the declared name, and no byte of it is on the network", async () => {
            const arrivals = await wire.journal();
            const requests = arrivals.filter(({ what }) => what === "request");
            assert.ok(requests.length > 40, String(requests.length));
            const kinds = new Set(requests.map(({ version, alpn, sni }) => `${version} ${alpn} ${sni}`));
            assert.deepEqual([...kinds].sort(), [`TLS 1.3 http/1.1 ${host}`, `TLS 1.3 http/1.1 ${otherHost}`]);
            const captured = await wire.endCapture();
            assert.ok(captured.length > 100_000, String(captured.length));
            assert.ok(captured.includes(host), "the capture missed the handshakes");
            for (const needle of [key, bearerOf("keyed"), "Bearer", " HTTP/1.1", "Authorization", "root:x:0"]) {
                assert.equal(captured.includes(needle), false, needle);
            }
        });
    });

    describe("and what is around it", () => {
        it("keeps the key out of the process's memory", async () => {
            const [lines] = await wire.run([
                {
                    name: "memory",
                    does: [
                        connect,
                        `send=${request("GET", "/big/10")}`,
                        "answer",
                        `scan=${[...key].reverse().join("")}`,
                    ],
                    sees: [],
                },
            ]);
            assert.deepEqual(lines!.slice(2), ["answer 200 bbbbbbbbbb", "scan 0"]);
        });

        it("leaves an unbound process's connection, and a bound one's to another port, as it is", async () => {
            const does = (port: number) => [
                `connect=${port}`,
                `send=${request("GET", "/untouched")}`,
                "recv=1",
                "state",
            ];
            const [unbound, undeclared] = await wire.run([
                { name: "unbound", as: stranger, does: does(ports.good), sees: [] },
                { name: "undeclared", does: does(ports.undeclared), sees: [] },
            ]);
            const untouched = ["connect ok", "send 43", "recv 0", "state EOPNOTSUPP"];
            assert.deepEqual([unbound, undeclared], [untouched, untouched]);
            const plain = (await wire.journal()).filter(({ what }) => what === "plain");
            assert.deepEqual(
                plain.map(({ port, detail }) => [port, detail]),
                [ports.good, ports.undeclared].map((port) => [
                    port,
                    `GET /untouched HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
                ]),
            );
        });

        it("passes TLS of the process's own untouched, and counts it", async () => {
            const before = (await wire.machine.health()).wire_own_tls!;
            const output = await wire.machine.sh(
                `setpriv --reuid=${bindings.bound!.uid} --clear-groups curl -sS --http1.1 -m 60 --cacert /run/wire-suite/ca.pem -H 'Authorization: Bearer mine' https://${host}:${ports.good}/own`,
            );
            assert.match(output, /"authorization":\["Bearer mine"\]/);
            assert.equal((await wire.machine.health()).wire_own_tls, before + 1);
        });

        it("tells the agent of the first injection for a process and secret, and of what a process brings itself", async () => {
            const wires = async () => {
                const reads = Array.from({ length: 64 }, () => ({ do: "read" as const, waitMs: 0 }));
                const answers = await wire.machine.session(...reads);
                return answers
                    .map(({ message }) => message)
                    .filter((message): message is Extract<KernelMessage, { kind: "wire" }> => message?.kind === "wire");
            };
            await wires();
            await wire.machine.sh(
                `setpriv --reuid=${bindings.bound!.uid} --clear-groups curl -sS --http1.1 -m 60 -k https://${host}:${ports.good}/own`,
            );
            await wire.run([
                {
                    name: "told",
                    does: [connect, `send=${get}`, "answer", `send=${get}`, "answer", connect, `send=${get}`, "answer"],
                    sees: [],
                },
            ]);
            const told = await wires();
            assert.deepEqual(
                told.map(({ what, key: { binding }, error, host: name, port, process: { uid, comm }, revision }) => [
                    what,
                    binding,
                    error,
                    name,
                    port,
                    uid,
                    comm,
                    revision,
                ]),
                [
                    ["ownTls", "bound", 0, "", ports.good, 2001, "curl", 0n],
                    ["injected", "bound", 0, host, ports.good, 2001, "wire", 1n],
                ],
            );
        });

        it("shows the live connections, and refuses to unload while there are any", async () => {
            const does = [connect, `send=${get}`, "answer", ...meet];
            const output = await wire.machine.sh(
                [
                    wire.begin({ name: "held", does, sees: [] }),
                    "cat /proc/riptides/connections",
                    "rmmod riptides 2>&1",
                    `(${wire.finish}) >/dev/null`,
                    "cat /proc/riptides/connections",
                ].join("; "),
            );
            const [line, refusal, ...rest] = output.trim().split("\n");
            assert.match(
                line!,
                /comm=wire .*binding=bound host=api\.test peer=.*:8443 state=open tls=1\.3 requests=1 injections=1 error=0$/,
            );
            assert.match(refusal!, /riptides is in use/);
            assert.deepEqual(rest, []);
        });

        it("counts requests, handshakes and connections", async () => {
            const [, answer] = await wire.machine.session(write(encodeStatsGet(9n)), { do: "read" });
            const stats = (answer!.message as { stats: KernelStats }).stats;
            const requests = (await wire.journal()).filter((arrival: Arrival) => arrival.what === "request");
            const own = requests.filter(({ target }) => target === "/own").length;
            assert.equal(Number(stats.wire.injected), requests.length - own);
            assert.equal(stats.connections, 0);
            assert.equal(stats.helper, true);
            assert.ok(stats.handshakes > 30n);
        });

        it("leaves from a container that has the program and nothing else: no resolver, no trust store, no helper", async () => {
            const does = [`uid=${bindings.bound!.uid}`, connect, `send=${request("GET", "/contained")}`, "answer"];
            const command = `${wireProgram} ${does.map(quote).join(" ")}`;
            const output = await wire.machine.sh(contained(["wire"], command, "host"));
            assert.match(output.trim().split("\n").at(-1)!, injected);
        });

        it("leaves from another network namespace, where the TLS helper is not", async () => {
            const state = "/run/wire-suite-apart";
            const trust = "/run/riptides/trust/wiresuite.pem";
            const server = wire.unit(
                "wire-server-apart",
                `${place}/wire-server ${state}`,
                undefined,
                "PrivateNetwork=yes",
            );
            const command = wire.command({ name: "apart", does: [connect, `send=${get}`, "answer"], sees: [] });
            const output = await wire.machine.sh(
                [
                    `rm -rf ${state}; mkdir ${state}; ${server}`,
                    `cat ${trust} ${state}/ca.pem >${trust}.new; mv ${trust}.new ${trust}`,
                    `nsenter --net=/proc/$(systemctl show -P MainPID wire-server-apart)/ns/net ${command}`,
                    "systemctl stop wire-server-apart",
                ].join("; "),
            );
            assert.match(output.split("\n")[3]!, injected);
        });
    });
});
