// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { place } from "./machine";
import { type Arrival, bearerOf, type Binding, host, ports, Wire } from "./wire";

const bindings: Record<string, Binding> = { node: { uid: 2001 }, python: { uid: 2002 } };
const runtime = `${place}/node`;
const unit = "wire-node";
const service = `http://${host}:${ports.good}`;
const scripts = "/run/wire-suite";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Everything one after the other, but the four at once; a line for each answer: status and the Authorization that came. */
const fetches = `
const ask = async (target, body) => {
    const headers = { authorization: "Bearer riptides" };
    const answer = await fetch("${service}" + target, body ? { method: "POST", headers, body } : { headers });
    console.log(answer.status, (await answer.json()).authorization.join());
};
for (let i = 0; i < 6; i++) await ask("/fetch/kept/" + i);
await Promise.all([0, 1, 2, 3].map((i) => ask("/fetch/parallel/" + i, String(i).repeat(40_000 * i + 1))));
await ask("/fetch/last");
`;

/** Two requests on one connection that is never waited for but by poll(); the first has a body. */
const polled = `
import select, socket
body = b"p" * 300000
requests = [b"POST /polled/0 HTTP/1.1\\r\\nHost: ${host}\\r\\nContent-Length: 300000\\r\\n\\r\\n" + body,
            b"GET /polled/1 HTTP/1.1\\r\\nHost: ${host}\\r\\nAuthorization: Bearer riptides\\r\\n\\r\\n"]
s = socket.socket()
s.setblocking(False)
print("connect", s.connect_ex(("127.0.0.1", ${ports.good})) != 0)
poller = select.poll()
def wait(events):
    poller.register(s, events)
    if not poller.poll(20000):
        raise TimeoutError
waits = 0
for request in requests:
    while request:
        try:
            request = request[s.send(request):]
        except BlockingIOError:
            waits += 1
            wait(select.POLLOUT)
    answer = b""
    while not answer.endswith(b"}"):
        try:
            piece = s.recv(4096)
        except BlockingIOError:
            waits += 1
            wait(select.POLLIN)
            continue
        if not piece:
            break
        answer += piece
    print(answer.decode().replace("\\r\\n", " "))
print("waits", waits)
`;

describe("kernel module: clients on the wire", function () {
    this.timeout(400_000);
    let wire: Wire;

    before(async () => {
        wire = await Wire.start(bindings);
        await wire.machine.guest.upload(process.execPath, runtime);
        await wire.machine.sh(`chmod 755 ${runtime}; cat >${scripts}/fetches.mjs`, fetches);
        await wire.bind({
            node: {
                ...bindings.node!,
                facts: [
                    {
                        uid: bindings.node!.uid,
                        executable: await wire.machine.executable(runtime),
                        cgroup: `/system.slice/${unit}.service`,
                    },
                ],
            },
        });
    });
    after(() => wire.stop());

    const requestsBelow = (arrivals: Arrival[], path: string) =>
        arrivals.filter(({ what, target }) => what === "request" && target!.startsWith(path));
    const opened = (arrivals: Arrival[]) => arrivals.filter(({ what }) => what === "open").length;

    describe("Node, bound by its file and its unit, with fetch", () => {
        const asUser = `setpriv --reuid=${bindings.node!.uid} --clear-groups ${runtime} ${scripts}/fetches.mjs`;
        let lines: string[];
        let arrivals: Arrival[];

        before(async () => {
            const command = `systemd-run -q --wait --pipe --collect -p RuntimeMaxSec=120 --unit=${unit} ${asUser}`;
            lines = (await wire.machine.sh(command)).trim().split("\n");
            arrivals = await wire.journal();
        });

        it("has each of its requests answered, with the key in place of the placeholder", () => {
            assert.deepEqual(lines, Array(11).fill(`200 Bearer ${bearerOf("node")}`));
        });

        it("uses a connection again", () => {
            const last = arrivals.findIndex(({ target }) => target === "/fetch/kept/5");
            const before = arrivals.slice(0, last + 1);
            assert.equal(requestsBelow(before, "/fetch/kept/").length, 6);
            // In the moment after an answer fetch does not take its connection again, on native sockets neither: a second is opened.
            assert.ok(opened(before) <= 3, `${opened(before)} connections for 6 requests`);
        });

        it("has four POSTs at once carried whole", () => {
            const posts = requestsBelow(arrivals, "/fetch/parallel/").map(
                ({ method, target, bodyLength, bodySha256 }) => [method, target, bodyLength, bodySha256],
            );
            const expected = [0, 1, 2, 3].map((i) => {
                const body = String(i).repeat(40_000 * i + 1);
                return ["POST", `/fetch/parallel/${i}`, body.length, sha256(body)];
            });
            assert.deepEqual(posts.sort(), expected);
        });

        it("is left as it is outside its unit", async () => {
            const { code, stderr } = await wire.machine.guest.exec(asUser);
            assert.equal(code, 1);
            assert.match(stderr, /fetch failed/);
            const plain = (await wire.journal()).filter(({ what }) => what === "plain");
            assert.deepEqual(
                plain.map(({ detail }) => detail!.split("\r\n")[0]),
                ["GET /fetch/kept/0 HTTP/1.1"],
            );
        });
    });

    describe("Python that never blocks", () => {
        it("has two requests of one connection answered", async () => {
            const before = opened(await wire.journal());
            const output = await wire.machine.sh(
                `setpriv --reuid=${bindings.python!.uid} --clear-groups timeout 60 python3 -`,
                polled,
            );
            const [connect, first, second, waits] = output.split("\n");
            assert.equal(connect, "connect True");
            const injected = new RegExp(`^HTTP/1\\.1 200 OK .*"authorization":\\["Bearer ${bearerOf("python")}"\\]`);
            assert.match(first!, injected);
            assert.match(second!, injected);
            assert.match(waits!, /^waits [1-9]/);
            const arrivals = await wire.journal();
            assert.equal(opened(arrivals), before + 1);
            assert.deepEqual(
                requestsBelow(arrivals, "/polled/").map(({ bodyLength, bodySha256 }) => [bodyLength, bodySha256]),
                [
                    [300_000, sha256("p".repeat(300_000))],
                    [0, sha256("")],
                ],
            );
        });
    });
});
