// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ConfigMap } from "@pulumi/pulumi/automation";
import { type Lab, placeAwsEngine } from "../../lab";
import { arrivals, forgetArrivals } from "./arrivals";
import { stackConfig } from "./example-config";
import { helperNeverDied, nodeIsClean, reported, upWithInjection } from "./injection-stack";
import { askBao, eventually } from "./probe";
import { LabStack } from "./stack";
import { inMemory, Tap } from "./tap";
import { type Call, Unit } from "./unit";

const binding = "s3-uploader-aws";
const host = "s3.us-east-1.amazonaws.com";
const mount = "aws";
const path = `${mount}/sts/uploader`;
const bucket = "riptides-lab";

/** A credential that may sign, as the store's control side tells. */
interface AwsCredential {
    access_key: string;
    secret_key: string;
    session_token: string;
}

/** examples/aws-sigv4 on a lab, step by step: plain requests to S3 are signed in the kernel. */
export class AwsSigV4 {
    private unit!: Unit;
    /** The engine's own. */
    private readonly root = {
        access_key: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`,
        secret_key: randomBytes(20).toString("hex"),
    };
    /** Secrets of every credential of this run. */
    private readonly secrets = new Set([this.root.secret_key]);

    private constructor(
        private readonly lab: Lab,
        readonly stack: LabStack,
    ) {}

    /** Mounts the AWS secrets engine, whose STS is the store's. */
    static async begin(lab: Lab): Promise<AwsSigV4> {
        const scenario = new AwsSigV4(lab, await LabStack.open(lab, "aws", "aws-sigv4"));
        await scenario.mountEngine();
        await scenario.stack.configure(scenario.config());
        scenario.unit = await Unit.install(lab, "aws-sigv4", "s3-uploader", {
            S3_UPLOADER_BUCKET: bucket,
            S3_UPLOADER_INTERVAL_MS: "500",
        });
        return scenario;
    }

    private async mountEngine(): Promise<void> {
        const { access_key, secret_key } = this.root;
        const known = await this.control("", { method: "POST", body: JSON.stringify(this.root) });
        assert.equal(known.status, 204);
        await this.write("sys/plugins/catalog/secret/aws", await placeAwsEngine(this.lab.dir));
        await this.write(`sys/mounts/${mount}`, { type: "aws" });
        const sts_endpoint = this.lab.simulator.stsEndpoint;
        await this.write(`${mount}/config/root`, { access_key, secret_key, region: "us-east-1", sts_endpoint });
        await this.write(`${mount}/roles/uploader`, {
            credential_type: "assumed_role",
            role_arns: ["arn:aws:iam::123456789012:role/uploader"],
            default_sts_ttl: "15m",
        });
    }

    private async write(at: string, body: unknown): Promise<void> {
        const { status, body: said } = await askBao(this.lab, at, "POST", body);
        assert.ok([200, 204].includes(status), `${at}: ${status} ${JSON.stringify(said)}`);
    }

    private control(below: string, options: RequestInit = {}): Promise<Response> {
        return fetch(`${this.lab.simulator.control}/aws-credentials${below}`, options);
    }

    private config(overrides: Record<string, string> = {}): ConfigMap {
        return stackConfig(this.lab, "aws-sigv4", { awsPath: path, bucket, ...overrides });
    }

    /** The credential of the latest request that was signed right. */
    private async credential(): Promise<AwsCredential> {
        const signed = (await arrivals(this.lab)).filter((one) => one.host.startsWith(host) && one.key_id);
        const key = signed.at(-1)?.key_id;
        const all = (await (await this.control("")).json()) as AwsCredential[];
        const issued = all.filter(({ session_token }) => session_token);
        issued.forEach(({ secret_key, session_token }) => this.secrets.add(secret_key).add(session_token));
        const found = issued.find(({ access_key }) => access_key === key);
        assert.ok(found, `the store has not given the key ${key}`);
        return found;
    }

    private async endCredential(accessKey: string): Promise<void> {
        assert.equal((await this.control(`/${accessKey}`, { method: "DELETE" })).status, 204);
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
        const { access_key } = await this.credential();
        const came = await arrivals(this.lab);
        for (const method of ["PUT", "GET"]) {
            const arrival = came.find((one) => one.method === method);
            assert.ok(arrival, `no ${method} has come`);
            const { signature, key_id, authorizations, payload } = arrival;
            assert.deepEqual(
                { signature, key_id, authorizations },
                { signature: "verified", key_id: access_key, authorizations: 1 },
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
        const { secret_key, session_token } = await this.credential();
        const [secretKey, token] = [secret_key, session_token.slice(0, 40)].map((text) => text.replaceAll("+", "\\+"));
        const memory = await inMemory(this.lab, await this.unit.pid(), [secretKey!, token!, `/${bucket}/notes`]);
        assert.ok(memory[2]! > 0, "the search does not even find the object's path");
        assert.deepEqual(memory.slice(0, 2), [0, 0], "the process holds a secret");
        const tap = await Tap.start(this.lab);
        let counts: number[];
        try {
            await this.goodCalls(await this.unit.now());
            await this.lab.node.exec(`curl -sS http://${host}:443/unbound`);
        } finally {
            counts = await tap.stop([secretKey!, token!, `(PUT|GET) /${bucket}`, "AWS4-HMAC-SHA256", "GET /unbound"]);
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

    /** A credential that was fetched anew signs from the next request on, and the old one is never used after its end. */
    async rotate() {
        const old = (await this.credential()).access_key;
        await this.stack.configure(this.config({ refreshTrigger: String(Date.now()) }));
        await this.stack.up();
        const next = await eventually(async () => {
            const { access_key } = await this.credential();
            assert.notEqual(access_key, old, "requests still come with the old key");
            return access_key;
        }, 120_000);
        await this.endCredential(old);
        await forgetArrivals(this.lab);
        await this.goodCalls(await this.unit.now());
        const bad = (await arrivals(this.lab)).filter(({ signature }) => signature !== "verified");
        assert.deepEqual(bad, []);
        return { accessKeys: [old, next], refused: bad.length };
    }

    async destroy() {
        await helperNeverDied(this.lab);
        await this.stack.destroy();
        await nodeIsClean(this.lab);
        await this.unit.remove();
        await this.stack.remove();
        const leases = await askBao(this.lab, `sys/leases/lookup/${path}/`, "LIST");
        assert.equal(leases.status, 404, `leases are left: ${JSON.stringify(leases.body)}`);
        assert.equal((await askBao(this.lab, `sys/mounts/${mount}`, "DELETE")).status, 204);
        await this.endCredential(this.root.access_key);
        return { leases: 0, node: "no agent, no module, no helper" };
    }

    /** How many secrets of this run occur in a text. */
    secretsIn(text: string): number {
        return [...this.secrets].filter((secret) => text.includes(secret)).length;
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
