// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, METHODS } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";

/** How kmod/http.c understands an input: errno or the parts of the first request in it. */
interface Verdict {
    error: number;
    head: number;
    body?: number;
    done?: boolean;
    host_check?: number;
    rule_check?: number;
    port?: number;
    method?: string;
    path?: string;
    host?: string;
    fields?: number;
}

const EACCES = -13;
const EINVAL = -22;
const EMSGSIZE = -90;
const folder = mkdtempSync(join(tmpdir(), "riptides-http-"));
const driver = join(folder, "driver");

function verdicts(inputs: Buffer[]): Verdict[] {
    const framed = inputs.flatMap((input) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(input.length);
        return [length, input];
    });
    const output = execFileSync(driver, { input: Buffer.concat(framed), encoding: "utf8", maxBuffer: 1 << 28 });
    return output
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Verdict);
}

const verdict = (input: string | Buffer) => verdicts([Buffer.from(input as string, "latin1")])[0]!;
const text = (hex: string | undefined) => Buffer.from(hex ?? "", "hex").toString("latin1");
const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
const host = "Host: api.openai.com";

before(function () {
    this.timeout(60_000);
    const sources = ["http-driver.c", "http-check.c", "../../kmod/http.c", "../../kmod/http_body.c"].map((name) =>
        join(__dirname, name),
    );
    execFileSync("gcc", [
        "-g",
        "-O1",
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover",
        ...sources,
        "-o",
        driver,
    ]);
});

after(() => rmSync(folder, { recursive: true }));

describe("HTTP requests in the kernel module: read", () => {
    it("finds method, path, host, port and body", () => {
        const got = verdict(
            `${head("POST /v1/chat/completions?x=1 HTTP/1.1", `${host}:443`, "content-LENGTH: 2")}{}GET`,
        );
        assert.deepEqual(
            [text(got.method), text(got.path), text(got.host), got.port],
            ["POST", "/v1/chat/completions?x=1", "api.openai.com", 443],
        );
        assert.deepEqual([got.body, got.done], [2, true]);
    });

    it("waits while the head is incomplete", () =>
        assert.deepEqual(verdict("GET / HTTP/1.1\r\nHost: a\r\n"), { error: 0, head: 0 }));

    it("ends a chunked body behind its trailer", () => {
        const got = verdict(
            `${head("POST / HTTP/1.1", host, "Transfer-Encoding: chunked")}3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\nGET`,
        );
        assert.deepEqual([got.body, got.done], [23, true]);
    });

    for (const [what, input] of Object.entries({
        "Content-Length and Transfer-Encoding": head(
            "POST / HTTP/1.1",
            host,
            "Content-Length: 4",
            "Transfer-Encoding: chunked",
        ),
        "two Content-Lengths": head("POST / HTTP/1.1", host, "Content-Length: 4", "Content-Length: 4"),
        "a list as Content-Length": head("POST / HTTP/1.1", host, "Content-Length: 4, 4"),
        "a signed Content-Length": head("POST / HTTP/1.1", host, "Content-Length: +4"),
        "a Content-Length past 64 bits": head("POST / HTTP/1.1", host, "Content-Length: 99999999999999999999"),
        "a coding other than chunked": head("POST / HTTP/1.1", host, "Transfer-Encoding: gzip, chunked"),
        "chunked twice": head("POST / HTTP/1.1", host, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        "chunked in HTTP/1.0": head("POST / HTTP/1.0", host, "Transfer-Encoding: chunked"),
        "a bare line feed": "GET / HTTP/1.1\nHost: api.openai.com\n\n",
        "a bare carriage return": "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "a folded line": head("GET / HTTP/1.1", host, "X: a", " b"),
        "a NUL": head("GET / HTTP/1.1", host, "X: a\0b"),
        "a space before the colon": head("GET / HTTP/1.1", "Host : api.openai.com"),
        "an empty name": head("GET / HTTP/1.1", host, ": x"),
        "no Host": head("GET / HTTP/1.1", "X: y"),
        "two Hosts": head("GET / HTTP/1.1", host, host),
        "a Host with a user": head("GET / HTTP/1.1", "Host: me@api.openai.com"),
        "a Host with an empty port": head("GET / HTTP/1.1", "Host: api.openai.com:"),
        "a Host with port 0": head("GET / HTTP/1.1", "Host: api.openai.com:0"),
        CONNECT: head("CONNECT api.openai.com:443 HTTP/1.1", host),
        "an absolute target": head("GET http://evil.example/ HTTP/1.1", host),
        "a target of another form": head("GET * HTTP/1.1", host),
        "a fragment": head("GET /a#b HTTP/1.1", host),
        Upgrade: head("GET / HTTP/1.1", host, "Connection: Upgrade", "Upgrade: websocket"),
        "a header dropped through Connection": head("GET / HTTP/1.1", host, "Connection: authorization"),
        "the HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "another version": head("GET / HTTP/1.2", host),
        "two spaces in the request line": head("GET  / HTTP/1.1", host),
        "an expectation other than 100-continue": head("GET / HTTP/1.1", host, "Expect: 200-ok"),
    })) {
        it(`refuses ${what}`, () => assert.equal(verdict(input).error, EINVAL));
    }

    for (const [what, chunks] of Object.entries({
        "a size that is no number": "x\r\n",
        "a size of 16 digits": "0000000000000001\r\na\r\n",
        "a size without its carriage return": "1\na\r\n",
        "data longer than its size": "1\r\nab\r\n",
        "an extension": "1;a=b\r\na\r\n0\r\n\r\n",
        "a folded trailer": "0\r\n X: y\r\n\r\n",
        "a trailer without a name": "0\r\n: y\r\n\r\n",
    })) {
        it(`refuses chunks with ${what}`, () => {
            assert.equal(verdict(head("POST / HTTP/1.1", host, "Transfer-Encoding: chunked") + chunks).body, EINVAL);
        });
    }

    for (const [size, error] of [
        [65535, 0],
        [65536, 0],
        [65537, EMSGSIZE],
    ] as const) {
        it(`${error ? "refuses" : "takes"} a head of ${size} bytes`, () => {
            const start = `GET / HTTP/1.1\r\n${host}\r\nX: `;
            assert.equal(verdict(`${start}${"a".repeat(size - start.length - 4)}\r\n\r\n`).error, error);
        });
    }
});

describe("HTTP requests in the kernel module: policy", () => {
    for (const [name, error] of [
        ["api.openai.com", 0],
        ["API.OpenAI.com", 0],
        ["api.openai.com:443", 0],
        ["api.openai.com:8443", EACCES],
        ["api.openai.com.evil.example", EACCES],
        ["openai.com", EACCES],
    ] as const) {
        it(`${error ? "refuses" : "takes"} Host: ${name}`, () =>
            assert.equal(verdict(head("GET / HTTP/1.1", `Host: ${name}`)).host_check, error));
    }

    for (const [line, error] of [
        ["POST /v1/chat/completions", 0],
        ["POST /v1/chat/completions?stream=1", 0],
        ["POST /v1/chat/completions/x", 0],
        ["GET /v1/models", 0],
        ["GET /v1/chat/completions", EACCES],
        ["post /v1/chat/completions", EACCES],
        ["POST /v1/chat/completionsx", EACCES],
        ["GET /v1/models/../files", EACCES],
        ["GET /v1/models/%2e%2e/files", EACCES],
        ["GET /v1/models/..;/files", EACCES],
        ["GET //v1/models", EACCES],
        ["GET /v1/models\\..\\files", EACCES],
        ["GET /v1/files", EACCES],
    ] as const) {
        it(`${error ? "refuses" : "allows"} ${line}`, () =>
            assert.equal(verdict(head(`${line} HTTP/1.1`, host)).rule_check, error));
    }
});

/** Requests near the edge of the grammar: well-formed ones, with a few bytes changed. */
const nearRequest = fc
    .record({
        method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS"),
        path: fc.stringMatching(/^\/[a-z0-9/?=.&-]{0,20}$/),
        extra: fc.array(fc.tuple(fc.stringMatching(/^[A-Za-z-]{1,12}$/), fc.stringMatching(/^[ -~]{0,20}$/)), {
            maxLength: 4,
        }),
        framing: fc.constantFrom(
            "",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Content-Length: 0\r\n",
            "Transfer-Encoding: Chunked\r\n",
        ),
        chunks: fc.constantFrom(
            "5\r\nhello\r\n0\r\n\r\n",
            "2;a\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n",
            "05\r\nhello\r\n000\r\n\r\n",
        ),
        edits: fc.array(
            fc.tuple(
                fc.nat(),
                fc.constantFrom("", "\r", "\n", " ", ":", "\t", "\0", ",", ";", "x", "0", "\r\n", "\x80"),
            ),
            { maxLength: 2 },
        ),
    })
    .map(({ method, path, extra, framing, chunks, edits }) => {
        const fields = extra.map(([name, value]) => `${name}: ${value}\r\n`).join("");
        const body = framing.startsWith("T") ? chunks : framing.includes("5") ? "hello" : "";
        let request = `${method} ${path} HTTP/1.1\r\nHost: api.openai.com\r\n${framing}${fields}\r\n${body}`;
        for (const [at, piece] of edits) {
            const cut = at % request.length;
            request = request.slice(0, cut) + piece + request.slice(cut + 1);
        }
        return Buffer.from(request, "latin1");
    });

describe("HTTP requests in the kernel module: an independent reader agrees", () => {
    it("given what the module lets through, Node's parser sees one request with the same parts and the same body", async function () {
        this.timeout(60_000);
        const inputs = fc.sample(nearRequest, { numRuns: 4_000, seed: 20261123 });
        const accepted = verdicts(inputs)
            .map((got, index) => ({ got, input: inputs[index]! }))
            .filter(({ got }) => got.error === 0 && got.done)
            // Node's parser knows a fixed list of methods; the module takes any token.
            .filter(({ got }) => METHODS.includes(text(got.method)));
        assert.ok(accepted.length > 500, `only ${accepted.length} requests were accepted: the comparison says nothing`);
        const heard: { message: IncomingMessage; body: string }[] = [];
        const server = createServer({ insecureHTTPParser: false, requireHostHeader: true }, (message, answer) => {
            let body = "";
            message.setEncoding("latin1");
            message.on("data", (part: string) => (body += part));
            message.on("end", () => {
                heard.push({ message, body });
                answer.end();
            });
        });
        server.on("checkContinue", (message: IncomingMessage, answer) => server.emit("request", message, answer));
        await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
        const { port } = server.address() as { port: number };
        try {
            for (const { got, input } of accepted) {
                heard.length = 0;
                // Exactly the bytes that the module would pass on for this request.
                await exchange(port, input.subarray(0, got.head + got.body!));
                const said = JSON.stringify(input.toString("latin1"));
                assert.equal(heard.length, 1, `Node's parser heard ${heard.length} requests in ${said}`);
                const { message } = heard[0]!;
                assert.deepEqual(
                    [message.method, message.url, message.headers.host?.split(":")[0]],
                    [text(got.method), text(got.path), text(got.host)],
                    said,
                );
                assert.equal(message.rawHeaders.length / 2, got.fields, said);
            }
        } finally {
            server.close();
        }
    });

    it("given the kept corpus, every property holds", () => {
        const corpus = join(__dirname, "corpus-http");
        const files = readdirSync(corpus).map((name) => readFileSync(join(corpus, name)));
        assert.equal(verdicts(files).length, files.length);
    });
});

/** Sends the bytes and waits for the first bytes of an answer, be it that they are bad. */
function exchange(port: number, bytes: Buffer): Promise<void> {
    return new Promise((done, failed) => {
        const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
        socket.once("error", failed);
        socket.once("data", () => socket.destroy());
        socket.once("close", () => done());
    });
}
