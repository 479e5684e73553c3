// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import { type Arrival, type Binding, host, ports, request, scenarios, services, targetOf, Wire } from "./wire";

const MiB = 1 << 20;
const signer = { accessKey: "AKIACANARY5D0C", secretKey: "secret-canary-5d0c", sessionToken: "token-canary-5d0c" };
const sigv4 = (service: string): Binding => ({
    uid: service === "s3" ? 2003 : 2002,
    injections: services({ add: { kind: "sigv4", region: "eu-west-1", service, bodyMax: 65_536 } }),
    secret: {
        kind: "sigv4",
        accessKey: Buffer.from(signer.accessKey),
        secretKey: Buffer.from(signer.secretKey),
        sessionToken: Buffer.from(signer.sessionToken),
    },
});
const bindings: Record<string, Binding> = {
    bound: { uid: 2001 },
    signed: sigv4("execute-api"),
    stored: sigv4("s3"),
};
const connect = `connect=${ports.good}`;
const sent = /^send \d+$/;
const post = (length: number, ...fields: string[]) => request("POST", "/%", `Content-Length: ${length}`, ...fields);
const chunked = request("POST", "/%", "Transfer-Encoding: chunked");
const sha256 = (bytes: string) => createHash("sha256").update(bytes).digest("hex");
const body = (length: number) =>
    new RegExp(`^answer 200 .*"bodyLength":${length},"bodySha256":"${sha256("x".repeat(length))}"`);

describe("kernel module: data on the wire", function () {
    this.timeout(400_000);
    let wire: Wire;

    before(async () => {
        wire = await Wire.start(bindings);
    });
    after(() => wire.stop());

    describe("goes out whole", () => {
        scenarios(
            () => wire,
            [
                {
                    name: "1 MiB of known length, and a request behind it",
                    does: [connect, `send=${post(MiB)}`, `fill=${MiB}`, "answer", `send=${request()}`, "answer"],
                    sees: ["connect ok", sent, `fill ${MiB}`, body(MiB), sent, /^answer 200/],
                    arrives: 2,
                },
                {
                    name: "1 MiB in chunks",
                    does: [connect, `send=${chunked}`, "chunks=64,16384", "answer"],
                    sees: ["connect ok", sent, "chunks 5", body(MiB)],
                    arrives: 1,
                },
                {
                    name: "1 MiB that waits for 100 Continue",
                    does: [connect, `send=${post(MiB, "Expect: 100-continue")}`, "recv=25", `fill=${MiB}`, "answer"],
                    sees: ["connect ok", sent, /^recv 25 HTTP\/1.1 100/, `fill ${MiB}`, body(MiB)],
                    arrives: 1,
                },
                {
                    name: "a body by sendfile",
                    does: [connect, `send=${post(300_000)}`, "sendfile=300000", "answer"],
                    sees: ["connect ok", sent, "sendfile 300000", body(300_000)],
                    arrives: 1,
                },
                {
                    name: "a body by splice",
                    does: [connect, `send=${post(100_000)}`, "splice=100000", "answer"],
                    sees: ["connect ok", sent, "splice 100000", body(100_000)],
                    arrives: 1,
                },
                {
                    name: "a body in the write of its head",
                    does: [connect, `send=${post(5)}xxxxx`, "answer"],
                    sees: ["connect ok", sent, body(5)],
                    arrives: 1,
                },
            ],
        );
    });

    describe("comes in whole", () => {
        const big = (length: number) => request("GET", `/big/${length}`);
        scenarios(
            () => wire,
            [
                {
                    name: "3 MB",
                    does: [connect, `send=${big(3_000_000)}`, "answer", `send=${request()}`, "answer"],
                    sees: ["connect ok", sent, "answer 200 3000000 bytes", sent, /^answer 200 \{/],
                },
                {
                    name: "into a pipe",
                    does: [connect, `send=${big(100_000)}`, "spliceout=100043"],
                    sees: ["connect ok", sent, "spliceout 100043"],
                },
                {
                    name: "to its end by close_notify",
                    does: [connect, `send=${request("GET", "/bye")}`, "answer", "recv=1", "recv=1"],
                    sees: ["connect ok", sent, /^answer 200/, "recv 0", "recv 0"],
                },
                {
                    name: "or not at all when somebody cuts it",
                    does: [connect, `send=${request("GET", "/truncate")}`, "recv=44", "recv=1"],
                    sees: ["connect ok", sent, /^recv 44 .*half$/, /^recv (EPROTO|EIO|ECONNRESET)$/],
                },
                {
                    name: "or is reset with the server's connection",
                    does: [connect, `send=${request("GET", "/drop")}`, "recv=1"],
                    sees: ["connect ok", sent, /^recv (ECONNRESET|EPROTO|EPIPE)$/],
                },
            ],
        );

        it("tells the server the end by close_notify", async () => {
            const [lines] = await wire.run([
                { name: "ends", does: [connect, `send=${request()}`, "answer", "close"], sees: [] },
            ]);
            assert.equal(lines!.at(-1), "close ok");
            const arrivals = await wire.journal();
            const from = arrivals.findIndex(({ target }) => target === "/ends");
            const end = arrivals.slice(from).find(({ what }) => what === "end" || what === "broken");
            assert.equal((end ?? (await wire.journal('"what":"end"')).at(-1))!.what, "end");
            assert.deepEqual(
                arrivals.filter(({ what, target }) => what === "broken" && target === "/ends"),
                [],
            );
        });

        scenarios(
            () => wire,
            [
                {
                    name: "or ends with an error when the server changes its keys, which the kernel cannot follow",
                    does: [
                        `connect=${ports.keyUpdate}`,
                        `send=${request()}`,
                        "recv=5",
                        "timeout=20000",
                        "recv=1",
                        `send=${request()}`,
                    ],
                    sees: ["connect ok", sent, "recv 5 hello", "timeout ok", /^recv E(?!AGAIN)\w+$/, "send EPIPE"],
                },
            ],
        );
    });

    describe("is signed", () => {
        const arrived = async (name: string): Promise<Arrival> => {
            const arrivals = await wire.journal();
            return arrivals.find(({ what, target }) => what === "request" && target?.includes(targetOf(name)))!;
        };
        /** The signature of the request as another implementation makes it. */
        const expected = async (arrival: Arrival, service: string, text: string) => {
            const headers = Object.fromEntries(
                Object.entries(arrival.header!).map(([name, [value]]) => [name.toLowerCase(), value!]),
            );
            const { authorization, ...rest } = headers;
            const signed = /SignedHeaders=([^,]+),/.exec(authorization!)![1]!.split(";");
            const at = headers["x-amz-date"]!.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
            const aws = new SignatureV4({
                credentials: {
                    accessKeyId: signer.accessKey,
                    secretAccessKey: signer.secretKey,
                    sessionToken: signer.sessionToken,
                },
                region: "eu-west-1",
                service,
                sha256: Sha256,
                uriEscapePath: service !== "s3",
                applyChecksum: service === "s3",
            });
            const [path, query = ""] = arrival.target!.split("?");
            const all = { ...rest, host: arrival.host! };
            const covered = Object.fromEntries(Object.entries(all).filter(([name]) => signed.includes(name)));
            const request = {
                method: arrival.method!,
                protocol: "https:",
                hostname: host,
                path: path!,
                query: Object.fromEntries(new URLSearchParams(query)),
                headers: covered,
                body: text,
            };
            const result = await aws.sign(request, { signingDate: new Date(at) });
            return [result.headers.authorization, authorization];
        };

        scenarios(
            () => wire,
            [
                {
                    name: "a request with a query and no body",
                    as: bindings.signed!.uid,
                    does: [connect, `send=${request("GET", "/%?b=2&a=1")}`, "answer"],
                    sees: ["connect ok", sent, /^answer 200/],
                    arrives: 1,
                },
                {
                    name: "a request whose body is kept until it is whole",
                    as: bindings.signed!.uid,
                    does: [connect, `send=${post(1_000)}`, "fill=1000", "answer"],
                    sees: ["connect ok", sent, "fill 1000", body(1_000)],
                    arrives: 1,
                },
                {
                    name: "an upload to S3 that is not kept",
                    as: bindings.stored!.uid,
                    does: [connect, `send=${request("PUT", "/%", "Content-Length: 200000")}`, "fill=200000", "answer"],
                    sees: ["connect ok", sent, "fill 200000", body(200_000)],
                    arrives: 1,
                },
                {
                    name: "not a body over the limit",
                    as: bindings.signed!.uid,
                    does: [connect, `send=${post(65_537)}`],
                    sees: ["connect ok", "send EMSGSIZE"],
                    arrives: 0,
                },
            ],
        );

        it("as another implementation signs it", async () => {
            const cases: [string, string, string][] = [
                ["a request with a query and no body", "execute-api", ""],
                ["a request whose body is kept until it is whole", "execute-api", "x".repeat(1_000)],
            ];
            for (const [name, service, text] of cases) {
                const arrival = await arrived(name);
                assert.deepEqual(arrival.header!["X-Amz-Security-Token"], [signer.sessionToken]);
                const [theirs, ours] = await expected(arrival, service, text);
                assert.equal(ours, theirs, name);
            }
            const upload = await arrived("an upload to S3 that is not kept");
            assert.deepEqual(upload.header!["X-Amz-Content-Sha256"], ["UNSIGNED-PAYLOAD"]);
            assert.match(
                upload.authorization![0]!,
                /^AWS4-HMAC-SHA256 Credential=AKIACANARY5D0C\/\d{8}\/eu-west-1\/s3\/aws4_request, /,
            );
        });
    });
});
