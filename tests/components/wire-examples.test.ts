// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { record } from "../../components/testing";

const examples = resolve(__dirname, "..", "..", "examples");

function run(project: string, added: Record<string, string>) {
    const entry = join(examples, project, "index.ts");
    delete require.cache[entry];
    const values = {
        vaultAddress: "https://bao.example.org:8200",
        clusterServer: "https://kube.example.org:6443",
        clusterCa: "Y2E=",
        nodeHost: "node.example.org",
        nodeHostKey: "SHA256:x",
        nodePrivateKey: "canary-ssh",
        ...added,
    };
    const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [`${project}:${key}`, value]));
    const secretConfig = ["adminKey", "nodePrivateKey"].map((key) => `${project}:${key}`);
    return record(() => require(entry) as Record<string, unknown>, { project, config, secretConfig });
}

const bindingType = "kubernetes:core.riptides.io/v1alpha1:CredentialBinding";

describe("examples/wire-injection", function () {
    this.timeout(20_000);

    it("delivers by injection alone, holds the agent to two requests, and gives the promised outputs", async () => {
        const stack = await run("wire-injection", {
            organizationId: "org-1",
            adminKey: "canary-admin",
            adminKeyId: "key_1",
            projectId: "proj_1",
        });
        assert.deepEqual(Object.keys(stack.result).sort(), [
            "agentId",
            "injection",
            "kernelRelease",
            "moduleVersion",
            "state",
        ]);
        const { propagation } = stack.only(bindingType).inputs.spec as { propagation: Record<string, unknown> };
        assert.deepEqual(Object.keys(propagation), ["injection"]);
        assert.deepEqual((propagation["injection"] as { allow: unknown }).allow, [
            { methods: ["GET"], pathPrefixes: ["/v1/models"] },
            { methods: ["POST"], pathPrefixes: ["/v1/chat/completions"] },
        ]);
    });
});

describe("examples/aws-sigv4", function () {
    this.timeout(20_000);

    it("signs for S3 of one region, by credentials that one identity may read", async () => {
        const stack = await run("aws-sigv4", { awsPath: "aws/creds/uploader", bucket: "my-bucket" });
        assert.deepEqual(Object.keys(stack.result).sort(), ["agentId", "injection", "state"]);
        assert.deepEqual((stack.only(bindingType).inputs.spec as { propagation: unknown }).propagation, {
            injection: {
                selectors: [{ api: "s3" }],
                sigv4: { region: "us-east-1", service: "s3" },
                allow: [{ methods: ["GET", "PUT"], pathPrefixes: ["/my-bucket"] }],
            },
        });
        const { addresses } = stack.only("kubernetes:core.riptides.io/v1alpha1:Service").inputs.spec as {
            addresses: unknown;
        };
        assert.deepEqual(addresses, [{ address: "s3.us-east-1.amazonaws.com", port: 443 }]);
        const { policy } = stack.only("vault:index/policy:Policy").inputs;
        assert.match(String(policy), /^path "aws\/creds\/uploader" \{\n {2}capabilities = \["read"\]\n\}/);
        assert.equal(stack.only("vault:jwt/authBackendRole:AuthBackendRole").inputs.tokenNumUses, 2);
    });
});

describe("the workloads of the examples that inject", function () {
    this.timeout(30_000);
    let server: Server;
    let port: number;
    const asked: { line: string; authorization: string | undefined }[] = [];

    before(async () => {
        const objects = new Map<string, string>();
        server = createServer((request, response) => {
            let body = "";
            request.on("data", (part: Buffer) => (body += part.toString()));
            request.on("end", () => {
                asked.push({
                    line: `${request.method} ${request.url}`,
                    authorization: request.headers.authorization,
                });
                const answer = answerOf(`${request.method} ${request.url}`, body, objects);
                if (answer === undefined) {
                    // As the kernel does it: the connection ends without an answer.
                    request.socket.destroy();
                    return;
                }
                response.writeHead(200, { "content-type": "application/json" });
                response.end(answer);
            });
        });
        await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
        port = (server.address() as AddressInfo).port;
    });

    after(() => new Promise((closed) => server.close(closed)));

    function answerOf(line: string, body: string, objects: Map<string, string>): string | undefined {
        switch (line) {
            case "GET /v1/models":
                return JSON.stringify({ object: "list", data: [{ id: "m", object: "model" }] });
            case "POST /v1/chat/completions":
                return JSON.stringify({ choices: [{ message: { role: "assistant", content: "Hello." } }] });
            case "PUT /b/notes/latest.txt":
                objects.set(line.slice(4), body);
                return "";
            case "GET /b/notes/latest.txt":
                return objects.get(line.slice(4));
            default:
                return undefined;
        }
    }

    function lines(program: string, env: NodeJS.ProcessEnv): Promise<Record<string, unknown>[]> {
        return new Promise((done) =>
            execFile(
                process.execPath,
                ["--require", "tsx/cjs", join(examples, program)],
                { env: { PATH: process.env["PATH"], ...env } },
                (_error, stdout) =>
                    done(
                        stdout
                            .trim()
                            .split("\n")
                            .map((line) => JSON.parse(line) as Record<string, unknown>)
                            .map(({ at: _at, ...rest }) => rest),
                    ),
            ),
        );
    }

    it("wire-agent lists models and completes a chat with a placeholder, and tells why it cannot list files", async () => {
        const made = await lines("wire-injection/app/wire-agent.ts", {
            OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
            WIRE_AGENT_ONCE: "1",
        });
        assert.deepEqual(made, [
            { call: "models", ok: true, status: 200, models: 1 },
            { call: "chat", ok: true, status: 200, reply: "Hello." },
            { call: "files", ok: false, error: "UND_ERR_SOCKET" },
        ]);
        assert.ok(asked.every(({ authorization }) => authorization === "Bearer riptides"));
    });

    it("s3-uploader reads back what it has put, sends no signature of its own, and tells why it cannot delete", async () => {
        asked.length = 0;
        const made = await lines("aws-sigv4/app/s3-uploader.ts", {
            S3_ENDPOINT: `http://127.0.0.1:${port}`,
            S3_UPLOADER_BUCKET: "b",
            S3_UPLOADER_ONCE: "1",
        });
        assert.deepEqual(made, [
            { call: "put", ok: true, status: 200 },
            { call: "get", ok: true, status: 200, same: true },
            { call: "delete", ok: false, error: "ECONNRESET" },
        ]);
        assert.deepEqual(
            asked.map(({ line, authorization }) => [line.split(" ")[0], authorization]),
            [
                ["PUT", undefined],
                ["GET", undefined],
                ["DELETE", undefined],
            ],
        );
    });
});
