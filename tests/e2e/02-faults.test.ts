// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { FailureCode } from "../../api";
import { type Lab, open } from "../../lab";
import { Canary } from "./canary";
import { exampleConfig } from "./first-light";
import { askBao, askKube, eventually, simulatorState } from "./probe";
import { LabStack } from "./stack";

const objects = "/apis/core.riptides.io/v1alpha1/namespaces/riptides-system";

describe("e2e: bad input and faults end with one clear message and leave nothing that a second up cannot finish", function () {
    this.timeout(10 * 60_000);
    // The stack is taken from fault to fault towards a good end.
    this.bail(true);
    let lab: Lab;
    let stack: LabStack;

    before(async () => {
        lab = await open(process.env["RIPTIDES_LAB"]);
        stack = await LabStack.open(lab, "faults", "openai-agent");
    });

    /** `up` with some of the configuration wrong: it must fail with this code, and name the property. */
    async function refused(wrong: Record<string, string>, code: FailureCode, property: RegExp): Promise<string> {
        await stack.configure(exampleConfig(lab, wrong));
        const { said, line } = await stack.refused(code);
        assert.match(line, property);
        return said;
    }

    it("given a wrong admin key and another SSH host key, up names both properties and runs nothing on the node", async () => {
        const wrong = {
            adminKey: `sk-admin-${"x".repeat(40)}`,
            nodeHostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
        };
        const said = await refused(wrong, "OpenAIUnauthorized", /adminApiKey/);
        assert.match(said, /connection\.hostKey.*\[HostKeyMismatch\]/);
        const { stdout } = await lab.node.exec("ls -d /usr/lib/riptides /etc/riptides 2>/dev/null");
        assert.equal(stdout, "");
    });

    it("given an unknown project, up names projectId", async () => {
        await refused({ projectId: "proj_does_not_exist" }, "OpenAIProjectNotFound", /projectId/);
    });

    it("given a sealed OpenBao, up says so", async () => {
        assert.equal((await askBao(lab, "sys/seal", "PUT")).status, 204);
        try {
            await stack.configure(exampleConfig(lab));
            await assert.rejects(stack.up(), /sealed/i);
        } finally {
            await unseal(lab);
        }
    });

    it("given a selector that matches nothing, up ends with the agent's reason before its timeout", async () => {
        await refused({}, "BindingFailed", /SelectorUnresolved.*\/usr\/local\/bin\/ai-agent/);
    });

    it("given all of it mended, a second up finishes what the others began", async () => {
        const workload = await lab.node.exec(
            "install -m 755 /bin/sleep /usr/local/bin/ai-agent && cat > /etc/systemd/system/ai-agent.service && systemctl daemon-reload",
            { stdin: "[Service]\nExecStart=/usr/local/bin/ai-agent infinity\n" },
        );
        assert.equal(workload.code, 0, workload.stderr);
        await stack.configure(exampleConfig(lab));
        const run = await stack.up();
        assert.equal(run.outputs["state"]?.value, "OK", run.stdout);
        assert.equal((await simulatorState(lab)).live_keys, 1);
    });

    /** Makes a binding by hand beside the good one and waits for the agent's verdict of it. */
    async function verdict(name: string, source: string): Promise<{ state: string; reason: string; message: string }> {
        const made = await askKube(lab, `${objects}/credentialbindings`, "POST", {
            apiVersion: "core.riptides.io/v1alpha1",
            kind: "CredentialBinding",
            metadata: { name },
            spec: { workloadID: "ai-agent", credentialSource: source, propagation: { sysfs: {} } },
        });
        assert.equal(made.status, 201, JSON.stringify(made.body));
        try {
            return await eventually(async () => {
                const { body } = await askKube(lab, `${objects}/credentialbindings/${name}`);
                assert.equal(body.status?.state, "FAILED", `status of ${name}: ${JSON.stringify(body.status)}`);
                return body.status;
            }, 30_000);
        } finally {
            await askKube(lab, `${objects}/credentialbindings/${name}`, "DELETE");
        }
    }

    it("given a CredentialSource that does not exist, the status names it", async () => {
        const status = await verdict("no-source", "no-such-source");
        assert.equal(status.reason, "CredentialSourceMissing");
        assert.match(status.message, /no-such-source/);
    });

    it("given a JWT role with another subject, the status says which identity was refused", async () => {
        const role = await askBao(lab, "auth/jwt/role/openai-apikeys");
        const other = { ...role.body.data, bound_subject: "spiffe://example.org/another" };
        assert.equal((await askBao(lab, "auth/jwt/role/other-subject", "POST", other)).status, 204);
        const source = await askKube(lab, `${objects}/credentialsources/vault-openai-apikeys`);
        const made = await askKube(lab, `${objects}/credentialsources`, "POST", {
            apiVersion: "core.riptides.io/v1alpha1",
            kind: "CredentialSource",
            metadata: { name: "other-subject" },
            spec: { vault: { ...source.body.spec.vault, role: "other-subject" } },
        });
        assert.equal(made.status, 201, JSON.stringify(made.body));
        const status = await verdict("other-subject", "other-subject");
        await askKube(lab, `${objects}/credentialsources/other-subject`, "DELETE");
        await askBao(lab, "auth/jwt/role/other-subject", "DELETE");
        assert.equal(status.reason, "VaultLoginDenied");
        assert.match(status.message, /sub/);
        assert.match(status.message, /spiffe:\/\/example\.org\/ai-agent/);
    });

    it("given a sealed OpenBao under a live binding, the old key stays and the status says why no new one came", async () => {
        const binding = `${objects}/credentialbindings/vault-openai-apikeys-binding`;
        const before = await simulatorState(lab);
        await askBao(lab, "sys/seal", "PUT");
        try {
            const [trigger] = [String(Date.now())];
            await patch(lab, binding, { spec: { refreshTrigger: trigger } });
            await eventually(async () => {
                const { body } = await askKube(lab, binding);
                assert.equal(body.status.reason, "VaultSealed", JSON.stringify(body.status));
            }, 30_000);
            assert.deepEqual((await simulatorState(lab)).accounts, before.accounts);
        } finally {
            await unseal(lab);
        }
        await eventually(async () => {
            const { body } = await askKube(lab, binding);
            assert.equal(body.status.state, "OK", JSON.stringify(body.status));
            const now = await simulatorState(lab);
            assert.equal(now.live_keys, 1);
            assert.notDeepEqual(now.accounts, before.accounts);
        }, 120_000);
    });

    it("given all that was printed, stored and logged, no secret is in it", async () => {
        const canary = new Canary(lab);
        canary.search("output of pulumi", stack.printed.join(""));
        assert.ok(canary.searchFolder("state files", stack.stateDirectory) > 0, "there is no state file to search");
        canary.searchLogs();
        await canary.searchNode();
        assert.deepEqual(canary.found, []);
    });

    it("given the stack, destroy leaves no live key", async () => {
        await stack.destroy();
        await stack.remove();
        await lab.node.exec(
            "rm -f /usr/local/bin/ai-agent /etc/systemd/system/ai-agent.service; systemctl daemon-reload",
        );
        const { accounts, live_keys } = await simulatorState(lab);
        assert.deepEqual({ accounts, live_keys }, { accounts: [], live_keys: 0 });
    });
});

async function unseal(lab: Lab): Promise<void> {
    const { body } = await askBao(lab, "sys/unseal", "PUT", { key: lab.bao.unsealKey });
    assert.equal(body.sealed, false);
    await eventually(async () => assert.equal((await askBao(lab, "sys/health")).status, 200), 30_000);
}

async function patch(lab: Lab, path: string, body: unknown): Promise<void> {
    const { status } = await askKube(lab, path, "PATCH", body);
    assert.equal(status, 200);
}
