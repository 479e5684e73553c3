// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ConfigMap } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab";
import { arrivals, forgetArrivals } from "./arrivals";
import { stackConfig } from "./example-config";
import { helperNeverDied, nodeIsClean, reported, upWithInjection } from "./injection-stack";
import { askBao, eventually } from "./probe";
import { LabStack } from "./stack";
import { inMemory, Tap } from "./tap";
import { type Call, Unit } from "./unit";

const binding = "s3-uploader-aws";
const host = "s3.us-east-1.amazonaws.com";
const mount = "aws-kv";
const path = `${mount}/uploader`;
const bucket = "riptides-lab";

/** A credential with the field names of OpenBao's AWS engine. */
interface AwsCredential {
    access_key: string;
    secret_key: string;
    security_token: string;
}

function newCredential(): AwsCredential {
    return {
        access_key: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
        secret_key: randomBytes(20).toString("hex"),
        security_token: randomBytes(120).toString("base64"),
    };
}

/** examples/aws-sigv4 on a lab, step by step: plain requests to S3 are signed in the kernel. */
export class AwsSigV4 {
    private unit!: Unit;
    private credential!: AwsCredential;
    /** Every credential of this run. */
    private readonly used: AwsCredential[] = [];

    private constructor(
        private readonly lab: Lab,
        readonly stack: LabStack,
    ) {}

    /** Puts a first credential where the program is told to look: the lab has no AWS to make any. */
    static async begin(lab: Lab): Promise<AwsSigV4> {
        const scenario = new AwsSigV4(lab, await LabStack.open(lab, "aws", "aws-sigv4"));
        const mounted = await askBao(lab, `sys/mounts/${mount}`, "POST", { type: "kv", options: { version: "1" } });
        assert.ok([200, 204].includes(mounted.status), JSON.stringify(mounted.body));
        await scenario.replaceCredential();
        await scenario.stack.configure(scenario.config());
        scenario.unit = await Unit.install(lab, "aws-sigv4", "s3-uploader", {
            S3_UPLOADER_BUCKET: bucket,
            S3_UPLOADER_INTERVAL_MS: "500",
        });
        return scenario;
    }

    private config(overrides: Record<string, string> = {}): ConfigMap {
        return stackConfig(this.lab, "aws-sigv4", { awsPath: path, bucket, ...overrides });
    }

    private async replaceCredential(): Promise<void> {
        this.credential = newCredential();
        this.used.push(this.credential);
        const { access_key, secret_key, security_token } = this.credential;
        const known = await fetch(`${this.lab.simulator.control}/aws-credentials`, {
            method: "POST",
            body: JSON.stringify({ access_key, secret_key, session_token: security_token }),
        });
        assert.equal(known.status, 204);
        assert.equal((await askBao(this.lab, path, "POST", this.credential)).status, 204);
    }

    private async endCredential(accessKey: string): Promise<void> {
        const url = `${this.lab.simulator.control}/aws-credentials/${accessKey}`;
        assert.equal((await fetch(url, { method: "DELETE" })).status, 204);
    }

    async up() {
        return upWithInjection(this.lab, this.stack, binding, host);
    }

    /** The bound process puts an object and reads it back; the store finds each signature right. */
    async use() {
        await forgetArrivals(this.lab);
        const since = await this.unit.now();
        const calls = await this.goodCalls(since);
        assert.equal(calls["get"]?.same, true, "what was read is not what was put");
        const came = await arrivals(this.lab);
        for (const method of ["PUT", "GET"]) {
            const arrival = came.find((one) => one.method === method);
            assert.ok(arrival, `no ${method} has come`);
            const { signature, key_id, authorizations, payload } = arrival;
            assert.deepEqual(
                { signature, key_id, authorizations },
                { signature: "verified", key_id: this.credential.access_key, authorizations: 1 },
            );
            if (method === "PUT") {
                // S3 takes a body that the signature leaves out, so it is streamed.
                assert.equal(payload, "unsigned");
            }
            assert.deepEqual(arrival.headers, [
                "authorization",
                "x-amz-content-sha256",
                "x-amz-date",
                "x-amz-security-token",
            ]);
        }
        const status = await reported(this.lab, binding, ({ injected }) => injected > 0);
        return { calls: Object.values(calls), signatures: "verified", status };
    }

    /** What is not allowed fails in the process with EACCES; nothing of it leaves, and it is counted. */
    async refuse() {
        const since = await this.unit.now();
        const refused = await eventually(async () => {
            const call = (await this.unit.calls(since)).find((one) => one.call === "delete");
            assert.ok(call, "the bound process has not tried");
            return call;
        }, 60_000);
        assert.deepEqual([refused.ok, refused.error], [false, "EACCES"]);
        assert.deepEqual(
            (await arrivals(this.lab)).filter(({ method }) => method === "DELETE"),
            [],
        );
        const status = await reported(this.lab, binding, (seen) => seen.refused > 0);
        return { call: refused.call, error: refused.error, counted: status.refused };
    }

    /** Neither secret key nor session token is in the memory of the process, nor they or a request in a capture. */
    async secrecy() {
        const { secret_key, security_token } = this.credential;
        const token = security_token.slice(0, 40);
        const memory = await inMemory(this.lab, await this.unit.pid(), [
            secret_key,
            token.replaceAll("+", "\\+"),
            `/${bucket}/notes`,
        ]);
        assert.ok(memory[2]! > 0, "the search does not even find the object's path");
        assert.deepEqual(memory.slice(0, 2), [0, 0], "the process holds a secret");
        const tap = await Tap.start(this.lab);
        let counts: number[];
        try {
            await this.goodCalls(await this.unit.now());
            await this.lab.node.exec(`curl -sS http://${host}:443/unbound`);
        } finally {
            counts = await tap.stop([
                secret_key,
                token.replaceAll("+", "\\+"),
                `(PUT|GET) /${bucket}`,
                "AWS4-HMAC-SHA256",
                "GET /unbound",
            ]);
        }
        const [secret, session, request, signature, unbound] = counts;
        assert.ok(unbound! > 0, "the capture does not even hold what left in clear");
        assert.deepEqual({ secret, session, request, signature }, { secret: 0, session: 0, request: 0, signature: 0 });
        return { memory: { secret: memory[0], session: memory[1] }, capture: { secret, session, request, signature } };
    }

    /** Another process gets no signature: the server is met by plain HTTP on its TLS port. */
    async unbound() {
        const curl = `curl -sS -o /dev/null -w %{http_code} http://${host}:443/${bucket}/notes/latest.txt`;
        const answers = {
            "another program of the same user": await this.unit.must(`runuser -u agent -- ${curl}`),
            root: await this.unit.must(curl),
        };
        assert.deepEqual(Object.values(answers), ["400", "400"]);
        return answers;
    }

    /** A credential that is replaced signs from the next request on, and the old one is never used after its end. */
    async rotate() {
        const old = this.credential.access_key;
        await this.replaceCredential();
        await this.stack.configure(this.config({ refreshTrigger: String(Date.now()) }));
        await this.stack.up();
        await eventually(async () => {
            const last = (await arrivals(this.lab)).at(-1);
            assert.equal(last?.key_id, this.credential.access_key, "requests still come with the old key");
        }, 120_000);
        await this.endCredential(old);
        await forgetArrivals(this.lab);
        await this.goodCalls(await this.unit.now());
        const bad = (await arrivals(this.lab)).filter(({ signature }) => signature !== "verified");
        assert.deepEqual(bad, []);
        return { accessKeys: [old, this.credential.access_key], refused: bad.length };
    }

    async destroy() {
        await helperNeverDied(this.lab);
        await this.stack.destroy();
        await nodeIsClean(this.lab);
        await this.unit.remove();
        await this.stack.remove();
        await askBao(this.lab, `sys/mounts/${mount}`, "DELETE");
        await this.endCredential(this.credential.access_key);
        return { node: "no agent, no module, no helper" };
    }

    /** Secrets of this run that occur in a text. */
    secretsIn(text: string): number {
        return this.used
            .flatMap(({ secret_key, security_token }) => [secret_key, security_token])
            .filter((secret) => text.includes(secret)).length;
    }

    /** Waits until the process has put an object and read it back. */
    private async goodCalls(since: number): Promise<Record<string, Call>> {
        return eventually(async () => {
            const calls = await this.unit.calls(since);
            const put = calls.findIndex((one) => one.call === "put" && one.ok);
            const get = calls.find((one, index) => index > put && one.call === "get" && one.ok);
            assert.ok(put >= 0 && get, `calls of the bound process: ${JSON.stringify(calls.slice(-4))}`);
            return { put: calls[put]!, get };
        }, 120_000);
    }
}
