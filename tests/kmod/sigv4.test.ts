// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";

interface Request {
    method: string;
    path: string;
    fields: [string, string][];
    body: string;
}

interface Signer {
    accessKeyId: string;
    secretAccessKey: string;
    sessionToken?: string;
    region: string;
    service: string;
    date: Date;
}

const folder = mkdtempSync(join(tmpdir(), "riptides-sigv4-"));
const driver = join(folder, "driver");

/** The header lines that the kernel's code adds, or the errno. */
function sign(signer: Signer, request: Request, streamed = false): Record<string, string> | number {
    const head = `${request.method} ${request.path} HTTP/1.1\r\n${request.fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
    const texts = [
        signer.accessKeyId,
        signer.secretAccessKey,
        signer.sessionToken ?? "",
        signer.region,
        signer.service,
        String(Math.floor(signer.date.getTime() / 1000)),
        streamed ? "-" : request.body,
        head,
    ].flatMap((text) => {
        const bytes = Buffer.from(text, "latin1");
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        return [length, bytes];
    });
    const answer = JSON.parse(execFileSync(driver, { input: Buffer.concat(texts), encoding: "latin1" })) as
        number | [string, string][];
    return typeof answer === "number"
        ? answer
        : Object.fromEntries(answer.map(([name, value]) => [name.toLowerCase(), value]));
}

before(function () {
    this.timeout(60_000);
    const sources = ["sigv4-driver.c", "../../kmod/sigv4.c", "../../kmod/sigv4_canonical.c", "../../kmod/http.c"].map(
        (name) => join(__dirname, name),
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
        "-lcrypto",
    ]);
});

after(() => rmSync(folder, { recursive: true }));

/** Of AWS' published test suite for Signature Version 4 and of the S3 reference's examples. */
const suite: Signer = {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    region: "us-east-1",
    service: "service",
    date: new Date("2015-08-30T12:36:00Z"),
};
const host: [string, string] = ["Host", "example.amazonaws.com"];
const vectors: [string, Request, string, string][] = [
    [
        "get-vanilla",
        { method: "GET", path: "/", fields: [host], body: "" },
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ],
    [
        "post-vanilla",
        { method: "POST", path: "/", fields: [host], body: "" },
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ],
    [
        "get-vanilla-query-order-key-case",
        { method: "GET", path: "/?Param2=value2&Param1=value1", fields: [host], body: "" },
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ],
];

describe("AWS Signature Version 4 in the kernel module", () => {
    for (const [name, request, names, signature] of vectors) {
        it(`gives the published signature of ${name}`, () => {
            const got = sign(suite, request) as Record<string, string>;
            assert.equal(got["x-amz-date"], "20150830T123600Z");
            assert.equal(
                got["authorization"],
                `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${names}, Signature=${signature}`,
            );
        });
    }

    it("gives what AWS' own signer gives, for random requests", async function () {
        this.timeout(120_000);
        const segment = fc
            .stringMatching(/^([A-Za-z0-9_~-]|%[2-7][0-9A-E]|[!$'()*,:@]){1,8}$/)
            .filter((text) => !text.includes("%2F"));
        const word = fc.stringMatching(/^([A-Za-z0-9._~-]|%[2-7][0-9A-E]){0,8}$/);
        const requests = fc.record({
            method: fc.constantFrom("GET", "POST", "PUT", "DELETE"),
            segments: fc.array(segment, { maxLength: 4 }),
            query: fc.uniqueArray(
                fc.tuple(
                    word.filter((name) => name !== ""),
                    word,
                ),
                { maxLength: 5, selector: ([name]) => decodeURIComponent(name) },
            ),
            body: fc.stringMatching(/^[ -~]{0,40}$/).filter((body) => body !== "-"),
            type: fc.constantFrom(undefined, "application/json", "text/plain;  charset=utf-8"),
            meta: fc.constantFrom(undefined, "one  two", "x"),
            service: fc.constantFrom("s3", "bedrock", "sts"),
            region: fc.constantFrom("us-east-1", "eu-central-1"),
            token: fc.constantFrom(undefined, "FwoGZXIvYXdzEXAMPLE"),
            seconds: fc.integer({ min: 0, max: 4_102_444_800 }),
        });
        for (const sample of fc.sample(requests, { numRuns: 120, seed: 20261123 })) {
            const signer: Signer = {
                ...suite,
                region: sample.region,
                service: sample.service,
                sessionToken: sample.token,
                date: new Date(sample.seconds * 1000),
            };
            const path = `/${sample.segments.join("/")}`;
            const query = sample.query.map(([name, value]) => `${name}=${value}`).join("&");
            const fields: [string, string][] = [
                host,
                ["Accept", "*/*"],
                ["Authorization", "Bearer riptides"],
                ["X-Amz-Date", "19700101T000000Z"],
            ];
            if (sample.type) {
                fields.push(["Content-Type", sample.type]);
            }
            if (sample.meta) {
                fields.push(["x-amz-meta-note", sample.meta]);
            }
            const got = sign(signer, {
                method: sample.method,
                path: query ? `${path}?${query}` : path,
                fields,
                body: sample.body,
            });
            assert.ok(typeof got !== "number", `${path}?${query} was refused with ${String(got)}`);

            const aws = new SignatureV4({
                credentials: {
                    accessKeyId: signer.accessKeyId,
                    secretAccessKey: signer.secretAccessKey,
                    ...(sample.token ? { sessionToken: sample.token } : {}),
                },
                region: signer.region,
                service: signer.service,
                sha256: Sha256,
                uriEscapePath: signer.service !== "s3",
                applyChecksum: signer.service === "s3",
            });
            const s3 = signer.service === "s3";
            const signed = await aws.sign(
                {
                    method: sample.method,
                    protocol: "https:",
                    hostname: host[1],
                    // S3 signs the path as it is on the wire, in its one canonical spelling.
                    path: s3
                        ? path
                              .split("/")
                              .map((part) => encodeStrict(decodeURIComponent(part)))
                              .join("/")
                        : path,
                    query: Object.fromEntries(
                        sample.query.map(([name, value]) => [decodeURIComponent(name), decodeURIComponent(value)]),
                    ),
                    headers: {
                        host: host[1],
                        ...(sample.type ? { "content-type": sample.type } : {}),
                        ...(sample.meta ? { "x-amz-meta-note": sample.meta } : {}),
                    },
                    body: sample.body,
                },
                { signingDate: signer.date },
            );
            assert.equal(got["authorization"], signed.headers["authorization"], JSON.stringify(sample));
            assert.equal(got["x-amz-security-token"], sample.token);
        }
    });

    it("signs a streamed body as UNSIGNED-PAYLOAD for S3 and refuses it for others", () => {
        const request: Request = { method: "PUT", path: "/key", fields: [host], body: "" };
        const got = sign({ ...suite, service: "s3" }, request, true) as Record<string, string>;
        assert.equal(got["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert.equal(sign(suite, request, true), -22);
    });

    for (const path of ["/a/../b", "/./a", "/a//b", "/%zz", "/%2", "/?a=b+c", "/?%g1=x"]) {
        it(`refuses ${path}, which signers and servers understand differently`, () => {
            assert.equal(sign(suite, { method: "GET", path, fields: [host], body: "" }), -22);
        });
    }

    it("refuses more parameters than it can sort", () => {
        const path = `/?${Array.from({ length: 65 }, (_, index) => `a${index}=1`).join("&")}`;
        assert.equal(sign(suite, { method: "GET", path, fields: [host], body: "" }), -90);
    });
});

/** RFC 3986: everything but unreserved characters is escaped. */
function encodeStrict(text: string): string {
    return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
