// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../../lab";

/**
 * Looks for secrets where none may be: the lab's own ones by their value, keys and tokens that the run made by their form
 * (keys of the simulator and tokens of OpenBao have prefixes that nothing else has).
 */
export class Canary {
    /** What was found, as `place: kind of secret`; never the secret. */
    readonly found: string[] = [];
    private readonly secrets: Record<string, string>;

    constructor(private readonly lab: Lab) {
        this.secrets = {
            "admin key": lab.simulator.adminKey,
            "OpenBao root token": lab.bao.token,
            "Kubernetes administrator token": lab.kube.token,
            // The base64 body of the SSH key, without the lines that every such key begins with.
            "SSH private key": lab.node.privateKey.split("\n").at(-4) ?? "",
        };
        for (const [kind, secret] of Object.entries(this.secrets)) {
            assert.ok(secret.length >= 16, `the ${kind} is too short to look for`);
        }
    }

    search(place: string, text: string): void {
        for (const [kind, secret] of Object.entries(this.secrets)) {
            if (text.includes(secret)) {
                this.found.push(`${place}: ${kind}`);
            }
        }
        for (const [kind, form] of Object.entries(forms)) {
            if (form.test(text)) {
                this.found.push(`${place}: ${kind}`);
            }
        }
    }

    /** All files below a folder; says how many there were. */
    searchFolder(place: string, folder: string): number {
        let files = 0;
        for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
            if (entry.isFile()) {
                const file = join(entry.parentPath, entry.name);
                this.search(`${place} ${file}`, readFileSync(file, "latin1"));
                files++;
            }
        }
        return files;
    }

    /** Logs of all parts of the lab. */
    searchLogs(): void {
        for (const name of readdirSync(this.lab.dir).filter((file) => file.endsWith(".log"))) {
            this.search(`log ${name}`, readFileSync(join(this.lab.dir, name), "latin1"));
        }
    }

    /** The node's disk, its journal and its kernel log. Kernel and memory file systems are not on the disk. */
    async searchNode(): Promise<void> {
        await this.grepNode([...Object.values(this.secrets).map(escape), openaiKey.source], "/");
        // The form of a token is met by chance in programs, so it is looked for where data is kept.
        await this.grepNode([`(^|[^A-Za-z0-9_])${baoToken}([^A-Za-z0-9_]|$)`], "/etc /home /root /tmp /var");
    }

    private async grepNode(patterns: string[], places: string): Promise<void> {
        const { code, stdout, stderr } = await this.lab.node.exec(
            `cat > /run/canary; sync; grep -raElf /run/canary --exclude-dir=proc --exclude-dir=sys --exclude-dir=run --exclude-dir=dev ${places}; status=$?;
            { journalctl --no-pager; dmesg; } | grep -aqEf /run/canary && echo journal; rm /run/canary; test $status -lt 2`,
            { stdin: `${patterns.join("\n")}\n`, timeoutMs: 10 * 60_000 },
        );
        assert.equal(code, 0, stderr);
        for (const file of stdout.split("\n").filter(Boolean)) {
            this.found.push(`node ${file}: a secret`);
        }
    }
}

const openaiKey = /sk-svcacct-[A-Za-z0-9_-]{20}/;
const baoToken = "[hs]\\.[A-Za-z0-9]{24}";

const forms: Record<string, RegExp> = {
    "OpenAI key": openaiKey,
    "OpenBao service token": new RegExp(`\\b${baoToken}\\b`),
    "private key": /-----BEGIN (EC |OPENSSH |RSA )?PRIVATE KEY-----\n[A-Za-z0-9+/=]{20}/,
};

function escape(text: string): string {
    return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
