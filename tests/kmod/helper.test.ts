// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as tls from "node:tls";
import { Authority, type Pair } from "./helper-certificates";

const EPROTO = -71;
const ETIMEDOUT = -110;
const EHOSTDOWN = -112;

const helperDirectory = join(__dirname, "../../kmod/helper");
const folder = mkdtempSync(join(tmpdir(), "riptides-helper-"));
const trust = join(folder, "trust");
const driver = join(folder, "driver");
const host = "api.openai.com";
const abandoned = 1n << 62n;

interface Request {
    host?: string;
    /** Name of the trust store. */
    trust?: string;
    deadlineMs?: number;
    alpn?: string;
    /** The process closes its socket while the handshake goes on. */
    abandoned?: boolean;
}

interface Result {
    error: number;
    tell: (error: number) => void;
}

/** The helper's program with tests/kmod/helper-upcall.c for the module's device. */
class Helper {
    readonly log: string[] = [];
    readonly exit: Promise<number | null>;
    private readonly child: ChildProcessWithoutNullStreams;
    private readonly waiting = new Map<bigint, (error: number) => void>();
    /** Results whose line in the log may still be on its way. */
    private results: Result[] = [];
    private failures = 0;
    private sequence = 0n;

    constructor() {
        // It makes itself undumpable, which the leak checker needs it not to be.
        this.child = spawn(driver, { env: { ASAN_OPTIONS: "detect_leaks=0" } });
        this.exit = once(this.child, "close").then(([code]) => code as number | null);
        createInterface({ input: this.child.stderr }).on("line", (line) => {
            const result = /^(\d+) (-?\d+)$/.exec(line);
            if (result) {
                const [id, error] = [BigInt(result[1]!), Number(result[2])];
                this.failures += error === 0 || id >= abandoned ? 0 : 1;
                this.results.push({ error, tell: this.waiting.get(id)! });
            } else {
                this.log.push(line);
            }
            if (this.log.length === this.failures) {
                this.results.splice(0).forEach(({ error, tell }) => tell(error));
            }
        });
    }

    /** Asks for a handshake on a new connection to a port; answers what the module is told. */
    handshake(port: number, request: Request = {}): Promise<number> {
        const id = (request.abandoned ? abandoned : 0n) | (++this.sequence << 16n) | BigInt(port);
        const answer = new Promise<number>((resolve) => this.waiting.set(id, resolve));
        this.send(id, request);
        return answer;
    }

    /** Asks on behalf of an application that has closed its socket since. */
    forgotten(): void {
        this.send(0n, {});
    }

    terminate(): void {
        this.child.kill("SIGTERM");
    }

    /** The device goes away. */
    unplug(): void {
        this.child.stdin.end();
    }

    private send(id: bigint, request: Request): void {
        const frame = Buffer.alloc(360);
        frame.writeBigUInt64LE(id, 0);
        frame.writeUInt32LE(request.deadlineMs ?? 10_000, 8);
        frame.write(request.host ?? host, 16, "latin1");
        frame.write(request.trust ?? "lab", 272, "latin1");
        frame.write(request.alpn ?? "http/1.1", 344, "latin1");
        this.child.stdin.write(frame);
    }
}

const lab = new Authority("lab");
const good = lab.issue({ names: [host, "127.0.0.1"] });
const open: Server[] = [];
const sockets = new Set<Socket>();
let helper: Helper;

async function listen(server: Server): Promise<number> {
    open.push(server);
    server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
}

function secure(pair: Pair, options: tls.TlsOptions = {}): tls.Server {
    return tls.createServer({ ...pair, ALPNProtocols: ["http/1.1"], ...options }).on("tlsClientError", () => undefined);
}

/** The server was verified; without kernel TLS on this machine that is as far as a handshake gets. */
function assertVerified(error: number): void {
    if (error !== 0) {
        assert.equal(error, EHOSTDOWN);
        assert.match(helper.log.at(-1)!, /: kernel TLS did not take the keys/);
    }
}

before(function () {
    this.timeout(60_000);
    mkdirSync(trust);
    // The helper gives up root.
    [folder, trust].forEach((path) => chmodSync(path, 0o755));
    writeFileSync(join(trust, "lab.pem"), lab.cert);
    writeFileSync(join(folder, "node.pem"), lab.cert);
    const sources = readdirSync(helperDirectory).filter((name) => name.endsWith(".c") && name !== "upcall.c");
    execFileSync("gcc", [
        ...["-g", "-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread"],
        ...["-fsanitize=address,undefined", "-fno-sanitize-recover"],
        ...[`-I${helperDirectory}`, `-I${join(helperDirectory, "..")}`],
        `-DTRUST_DIRECTORY="${trust}"`,
        `-DNODE_STORE="${join(folder, "node.pem")}"`,
        ...sources.map((name) => join(helperDirectory, name)),
        join(__dirname, "helper-upcall.c"),
        ...["-o", driver, "-lssl", "-lcrypto"],
    ]);
});

after(() => rmSync(folder, { recursive: true }));

beforeEach(() => (helper = new Helper()));

afterEach(async () => {
    helper.terminate();
    await helper.exit;
    open.splice(0).forEach((server) => server.close());
    sockets.forEach((socket) => socket.destroy());
});

describe("kmod/helper", () => {
    it("takes the host that it should be, by name and by address, and says which name and protocol it wants", async () => {
        const server = secure(good);
        const port = await listen(server);
        const seen: [string | false | null | undefined, string | false | null][] = [];
        server.on("secureConnection", (socket) => seen.push([socket.servername, socket.alpnProtocol]));
        assertVerified(await helper.handshake(port));
        assertVerified(await helper.handshake(port, { host: "127.0.0.1" }));
        assert.deepEqual(seen, [
            [host, "http/1.1"],
            [false, "http/1.1"],
        ]);
    });

    it("speaks TLS 1.3 with a cipher that kernel TLS has", async () => {
        for (const cipher of ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]) {
            const server = secure(good, { ciphers: cipher });
            const spoken = new Promise((resolve) =>
                server.once("secureConnection", (socket) =>
                    resolve([socket.getProtocol(), socket.getCipher().standardName]),
                ),
            );
            assertVerified(await helper.handshake(await listen(server)));
            assert.deepEqual(await spoken, ["TLSv1.3", cipher]);
        }
        const other = secure(good, { ciphers: "TLS_AES_128_CCM_SHA256" });
        assert.equal(await helper.handshake(await listen(other)), EPROTO);
    });

    it("trusts the node's store when no other is named", async () => {
        assertVerified(await helper.handshake(await listen(secure(good)), { trust: "" }));
    });

    const other = new Authority("other");
    for (const [what, pair, request, reason] of [
        ["another name", lab.issue({ names: ["api.example.com"] }), {}, "hostname mismatch"],
        ["another address", good, { host: "10.0.0.1" }, "IP address mismatch"],
        ["its name as the common name only", lab.issue({ commonName: host }), {}, "hostname mismatch"],
        ["a wildcard within a label", lab.issue({ names: ["a*.openai.com"] }), {}, "hostname mismatch"],
        [
            "an authority that is not trusted",
            other.issue({ names: [host] }),
            {},
            "unable to get local issuer certificate",
        ],
        ["an end that has passed", lab.issue({ names: [host], from: -9, to: -1 }), {}, "certificate has expired"],
        ["a beginning that is to come", lab.issue({ names: [host], from: 1 }), {}, "certificate is not yet valid"],
        [
            "clients as its use",
            lab.issue({ names: [host], usage: { clientAuth: true } }),
            {},
            "unsuitable certificate purpose",
        ],
    ] as [string, Pair, Request, string][]) {
        it(`refuses a certificate with ${what}`, async () => {
            const server = secure(pair);
            let established = 0;
            server.on("secureConnection", () => established++);
            assert.equal(await helper.handshake(await listen(server), request), EPROTO);
            assert.deepEqual(helper.log, [`<4>${request.host ?? host}: EPROTO: ${reason}`]);
            assert.equal(established, 0);
        });
    }

    it("refuses a server that has TLS 1.2 only, and one that has none", async () => {
        assert.equal(await helper.handshake(await listen(secure(good, { maxVersion: "TLSv1.2" }))), EPROTO);
        const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
        assert.equal(await helper.handshake(await listen(plain)), EPROTO);
        assert.equal(helper.log.length, 2);
    });

    it("refuses a server that breaks off", async () => {
        const dropping = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
        assert.equal(await helper.handshake(await listen(dropping)), EPROTO);
        const ending = createServer((socket) => socket.once("data", () => socket.end()));
        assert.equal(await helper.handshake(await listen(ending)), EPROTO);
        assert.match(helper.log[0]!, /^<4>api\.openai\.com: EPROTO: the connection was lost$/);
    });

    it("gives a silent server until the deadline, and others need not wait for it", async () => {
        const silent = await listen(createServer(() => undefined));
        const started = Date.now();
        const late = Array.from({ length: 100 }, () => helper.handshake(silent, { deadlineMs: 1_500 }));
        let ended = false;
        void Promise.all(late).then(() => (ended = true));
        const port = await listen(secure(good));
        const quick = await Promise.all(Array.from({ length: 20 }, () => helper.handshake(port)));
        assert.equal(ended, false);
        assert.ok(quick.every((error) => error === quick[0]));
        assertVerified(quick[0]!);
        assert.ok((await Promise.all(late)).every((error) => error === ETIMEDOUT));
        const took = Date.now() - started;
        assert.ok(took >= 1_400 && took < 6_000, `${took} ms`);
        assert.equal(helper.log.filter((line) => line.endsWith("ETIMEDOUT: the server does not answer")).length, 100);
    });

    it("needs a trust store that is there, by a name that is one", async () => {
        const port = await listen(secure(good));
        writeFileSync(join(trust, "broken.pem"), "no certificate\n");
        for (const [name, reason] of [
            ["absent", "the trust store is missing"],
            ["broken", "the trust store cannot be read"],
            ["../node", "the name of the trust store is not one"],
        ] as const) {
            assert.equal(await helper.handshake(port, { trust: name }), EPROTO);
            assert.equal(helper.log.at(-1), `<4>${host}: EPROTO: ${reason}`);
        }
    });

    it("reads a trust store again when it has changed, and forgets one that is gone", async () => {
        const port = await listen(secure(good));
        const file = join(trust, "changing.pem");
        const put = (cert: string) => {
            writeFileSync(`${file}.new`, cert);
            renameSync(`${file}.new`, file);
        };
        put(lab.cert);
        assertVerified(await helper.handshake(port, { trust: "changing" }));
        put(other.cert);
        assert.equal(await helper.handshake(port, { trust: "changing" }), EPROTO);
        put(other.cert + lab.cert);
        assertVerified(await helper.handshake(port, { trust: "changing" }));
        rmSync(file);
        assert.equal(await helper.handshake(port, { trust: "changing" }), EPROTO);
    });

    it("serves more trust stores than it keeps", async () => {
        const port = await listen(secure(good));
        const names = Array.from({ length: 70 }, (_, i) => `store${i}`);
        names.forEach((name) => writeFileSync(join(trust, `${name}.pem`), lab.cert));
        for (const name of [...names, ...names.slice(0, 3)]) {
            assertVerified(await helper.handshake(port, { trust: name }));
        }
    });

    it("passes over a request that nobody waits for any more", async () => {
        helper.forgotten();
        assertVerified(await helper.handshake(await listen(secure(good))));
        assert.ok(helper.log.every((line) => line.includes("kernel TLS")));
    });

    it("does not log a handshake that the process broke off", async () => {
        const dropping = createServer((socket) => socket.once("data", () => socket.end()));
        assert.equal(await helper.handshake(await listen(dropping), { abandoned: true }), EPROTO);
        assert.deepEqual(helper.log, []);
    });

    it("leaves what follows the handshake unread", async () => {
        // Session tickets and data are there before the helper has finished.
        const server = secure(good);
        server.on("secureConnection", (socket) => socket.write("data of the server"));
        assertVerified(await helper.handshake(await listen(server)));
        assert.ok(helper.log.every((line) => !line.includes("records were read")));
    });

    it("ends at once at SIGTERM, handshakes under way or not", async () => {
        const silent = createServer();
        const port = await listen(silent);
        const connected = once(silent, "connection");
        void helper.handshake(port);
        await connected;
        helper.terminate();
        assert.equal(await helper.exit, 0);
        assert.deepEqual(helper.log, []);
    });

    it("ends with a failure when its device goes away, to be started again", async () => {
        helper.unplug();
        assert.equal(await helper.exit, 1);
        assert.match(helper.log[0]!, /^<3>\/dev\/riptides-tls: E/);
    });
});
