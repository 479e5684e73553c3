// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { exportsOf, quote } from "../../lab/exports";
import type { Lab } from "../../lab/lab";

const shell = (script: string) => execFileSync("sh", ["-c", script], { encoding: "utf8" });

describe("shell exports", () => {
    it("quote any text as one word", () => {
        const text = fc.string().filter((value) => !value.includes("\0"));
        fc.assert(
            fc.property(text, (value) => assert.equal(shell(`printf %s ${quote(value)}`), value)),
            { numRuns: 30 },
        );
        assert.equal(quote(""), "''");
    });

    it("give a shell the lab's addresses, also from a directory with a blank and a quote", () => {
        const dir = "/tmp/it's a lab";
        const lab = {
            dir,
            bao: { address: "https://127.0.0.1:1", token: "s.t", caFile: `${dir}/ca.crt` },
            kube: { kubeconfigFile: `${dir}/kubeconfig` },
            simulator: {
                adminEndpoint: "https://127.0.0.1:2/v1",
                control: "http://127.0.0.1:3/control",
                adminKey: "k",
                adminKeyId: "i",
                organizationId: "o",
                projectId: "p",
            },
            node: {
                host: "127.0.0.1",
                sshPort: 4,
                user: "root",
                privateKeyFile: `${dir}/node.key`,
                hostKey: "ssh-ed25519 AAAA",
            },
            tools: { pulumi: "/t/pulumi", bao: "/t/bao" },
            pluginPath: ["/p 1", "/p2"],
        } as unknown as Lab;
        const script = `PATH=/bin; ${exportsOf(lab)}\nprintf '%s\\n' "$VAULT_ADDR" "$VAULT_CACERT" "$KUBECONFIG" "$PATH"; eval "set -- $RIPTIDES_LAB_SSH"; printf '%s\\n' "$5" "$7"`;
        assert.deepEqual(shell(script).trimEnd().split("\n"), [
            "https://127.0.0.1:1",
            `${dir}/ca.crt`,
            `${dir}/kubeconfig`,
            "/p 1:/p2:/bin",
            `${dir}/node.key`,
            "4",
        ]);
    });
});
