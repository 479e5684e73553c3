// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { record } from "../../components/testing";

const example = resolve(__dirname, "..", "..", "examples", "openai-agent");

const config = Object.fromEntries(
    Object.entries({
        organizationId: "org-1",
        adminKey: "canary-admin",
        adminKeyId: "key_1",
        projectId: "proj_1",
        vaultAddress: "https://bao.example.org:8200",
        clusterServer: "https://kube.example.org:6443",
        clusterCa: "Y2E=",
        nodeHost: "node.example.org",
        nodeHostKey: "SHA256:x",
        nodePrivateKey: "canary-ssh",
    }).map(([key, value]) => [`openai-agent:${key}`, value]),
);

function run() {
    const entry = join(example, "index.ts");
    delete require.cache[entry];
    const secretConfig = ["openai-agent:adminKey", "openai-agent:nodePrivateKey"];
    return record(() => require(entry) as Record<string, unknown>, { project: "openai-agent", config, secretConfig });
}

describe("examples/openai-agent", function () {
    this.timeout(20_000);

    it("uses the published names, and gives the promised outputs", async () => {
        const stack = await run();
        assert.deepEqual(Object.keys(stack.result).sort(), [
            "agentId",
            "files",
            "kernelRelease",
            "moduleVersion",
            "state",
        ]);
        const binding = stack.only("kubernetes:core.riptides.io/v1alpha1:CredentialBinding").inputs;
        assert.equal((binding.metadata as { name: string }).name, "vault-openai-apikeys-binding");
        assert.deepEqual(binding.spec, {
            workloadID: "ai-agent",
            credentialSource: "vault-openai-apikeys",
            propagation: { sysfs: {} },
        });
        const { ttl, maxTtl, name } = stack.only("riptides:openai:Role").inputs;
        assert.deepEqual({ ttl, maxTtl, name }, { ttl: "15m", maxTtl: "1h", name: "my-role" });
    });

    it("does the same each time it is loaded in one process", async () => {
        const [first, second] = [await run(), await run()];
        const byUrn = ({ resources }: typeof first) => [...resources].sort((a, b) => (a.urn < b.urn ? -1 : 1));
        assert.deepEqual(byUrn(second), byUrn(first));
    });
});

describe("the example's AI agent", function () {
    this.timeout(30_000);
    let folder: string;
    let server: Server;
    let address: string;
    const asked: string[] = [];

    before(async () => {
        folder = mkdtempSync(join(tmpdir(), "riptides-ai-agent-"));
        server = createServer((request, response) => {
            const key = request.headers.authorization ?? "";
            asked.push(key);
            const live = !key.includes("dead");
            response.writeHead(live ? 200 : 401, { "content-type": "application/json" });
            const refusal = { error: { message: `Incorrect API key provided: ${key}` } };
            response.end(JSON.stringify(live ? { object: "list", data: [{ id: "m", object: "model" }] } : refusal));
        });
        await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
        address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    });

    after(async () => {
        await new Promise((closed) => server.close(closed));
        rmSync(folder, { recursive: true });
    });

    function credential(key: string): string {
        const file = join(folder, "vault.json");
        writeFileSync(file, JSON.stringify({ api_key: key, api_key_id: `id-of-${key}` }));
        return file;
    }

    /** Runs the program; `onLine` sees each line it prints and may end it. */
    function agent(env: NodeJS.ProcessEnv, onLine: (line: string, stop: () => void) => void = () => undefined) {
        const child = spawn(process.execPath, ["--require", "tsx/cjs", join(example, "app", "ai-agent.ts")], {
            env: { PATH: process.env["PATH"], OPENAI_BASE_URL: address, ...env },
        });
        let output = "";
        // Once: the program's second SIGTERM is the system's, and ends it at once.
        let stop = () => {
            stop = () => undefined;
            child.kill("SIGTERM");
        };
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
            output += text;
            text.trim()
                .split("\n")
                .forEach((line) => onLine(line, () => stop()));
        });
        child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
        return new Promise<{ code: number | null; output: string }>((done) =>
            child.on("close", (code) => done({ code, output })),
        );
    }

    it("reads its file again for each call, and ends well when it is told to", async () => {
        const file = credential("sk-one");
        const calls: { keyId: string; models: number }[] = [];
        const { code } = await agent({ AI_AGENT_KEY_FILE: file, AI_AGENT_INTERVAL_MS: "20" }, (line, stop) => {
            const call = JSON.parse(line) as { keyId: string; models: number };
            calls.push(call);
            if (call.keyId === "id-of-sk-one") {
                credential("sk-two");
            } else {
                stop();
            }
        });
        assert.equal(code, 0);
        assert.deepEqual(
            [calls[0], calls.at(-1)].map((call) => [call?.keyId, call?.models]),
            [
                ["id-of-sk-one", 1],
                ["id-of-sk-two", 1],
            ],
        );
        assert.ok(asked.includes("Bearer sk-one") && asked.includes("Bearer sk-two"));
    });

    it("never prints a key, not even one that the server quotes", async () => {
        const { code, output } = await agent({ AI_AGENT_KEY_FILE: credential("sk-dead"), AI_AGENT_ONCE: "1" });
        assert.equal(code, 1);
        const { at, ...call } = JSON.parse(output) as Record<string, unknown>;
        assert.ok(!Number.isNaN(Date.parse(String(at))));
        assert.deepEqual(call, {
            ok: false,
            status: 401,
            keyId: "id-of-sk-dead",
            fields: ["api_key", "api_key_id"],
            error: "HTTP 401",
        });
    });

    it("says why it cannot read its file, and asks nobody then", async () => {
        const before = asked.length;
        const missing = { AI_AGENT_KEY_FILE: join(folder, "none.json"), AI_AGENT_ONCE: "1" };
        const { code, output } = await agent(missing);
        assert.deepEqual([code, (JSON.parse(output) as { readError: string }).readError], [1, "ENOENT"]);
        assert.equal(asked.length, before);
    });
});
