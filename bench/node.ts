// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { down, type Lab, up } from "../lab";
import { build } from "../scripts/build";
import { exampleConfig, FirstLight } from "../tests/e2e/first-light";
import { askBao } from "../tests/e2e/probe";
import { LabStack } from "../tests/e2e/stack";

/** The workload's place in the example: what the binding of the stack selects. */
const program = "/usr/local/bin/ai-agent";
const readerUnit = `[Service]
Type=oneshot
User=agent
EnvironmentFile=/run/bench-read.env
ExecStart=${program} $FILES
StandardOutput=truncate:/run/bench-read.out
`;
const baoOnNode = "/usr/local/bin/bao";

/** A lab with the example's stack up: the agent with one key, and `bao agent` ready to template the same secret. Shared by the benches of a run. */
export class BenchNode {
    private static shared?: Promise<BenchNode>;

    private constructor(readonly lab: Lab) {}

    static start(): Promise<BenchNode> {
        return (BenchNode.shared ??= BenchNode.bringUp());
    }

    /** Ends the lab, if one was started. */
    static async end(): Promise<void> {
        const node = await BenchNode.shared;
        if (node) {
            await down(node.lab);
        }
    }

    private static async bringUp(): Promise<BenchNode> {
        await build();
        const lab = await up({ name: "bench" });
        const node = new BenchNode(lab);
        await node.installReader();
        const stack = await LabStack.open(lab, "bench", "openai-agent");
        await stack.configure(exampleConfig(lab));
        await stack.up();
        await node.installBaoAgent();
        return node;
    }

    /** Runs a command on the node. @throws when it fails */
    async must(command: string, stdin?: string): Promise<string> {
        const { code, stdout, stderr } = await this.lab.node.exec(command, { stdin, timeoutMs: 5 * 60_000 });
        if (code !== 0) {
            throw new Error(`on the node, ${command} ended with ${code}: ${stderr || stdout}`);
        }
        return stdout;
    }

    /** Runs the reader as the bound workload and gives what it printed. */
    async read(...files: string[]): Promise<string> {
        await this.must("cat > /run/bench-read.env", `FILES=${files.join(" ")}\n`);
        return this.must("systemctl start ai-agent.service && cat /run/bench-read.out");
    }

    /** Path of the stack's credential file. */
    get keyFile(): string {
        return FirstLight.path;
    }

    /** Starts `bao agent` on the node and waits for its file: seconds from start to file, and its process id. */
    async startBaoAgent(): Promise<{ seconds: number; pid: string }> {
        await this.must("rm -f /run/bench/key.json");
        const said = await this.must(
            `begin=$(date +%s%N); ${baoOnNode} agent -config=/run/bench/agent.hcl > /run/bench/agent.log 2>&1 & pid=$!
            until test -s /run/bench/key.json; do kill -0 $pid || { cat /run/bench/agent.log; exit 1; }; sleep 0.01; done
            echo $(($(date +%s%N) - begin)) $pid`,
        );
        const [nanoseconds, pid] = said.trim().split(" ");
        return { seconds: Number(nanoseconds) / 1e9, pid: pid! };
    }

    private async installReader(): Promise<void> {
        const folder = mkdtempSync(join(tmpdir(), "riptides-reader-"));
        try {
            execFileSync("gcc", ["-O2", "-static", join(__dirname, "reader.c"), "-o", join(folder, "reader")]);
            await this.lab.node.upload(join(folder, "reader"), program);
            await this.must(
                `chmod 755 ${program}; cat > /etc/systemd/system/ai-agent.service; systemctl daemon-reload`,
                readerUnit,
            );
        } finally {
            rmSync(folder, { recursive: true });
        }
    }

    private async installBaoAgent(): Promise<void> {
        await this.lab.node.upload(this.lab.tools.bao, baoOnNode);
        const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        const mounted = [
            await askBao(this.lab, "sys/auth/bench", "POST", { type: "jwt" }),
            await askBao(this.lab, "auth/bench/config", "POST", {
                jwt_validation_pubkeys: [publicKey.export({ type: "spki", format: "pem" })],
            }),
            await askBao(this.lab, "auth/bench/role/bench", "POST", {
                role_type: "jwt",
                user_claim: "sub",
                bound_audiences: ["vault"],
                bound_subject: "bench",
                token_policies: ["read-openai-apikeys"],
                token_ttl: "20m",
            }),
        ];
        const bad = mounted.find(({ status }) => status >= 300);
        if (bad) {
            throw new Error(`OpenBao answered ${bad.status}: ${JSON.stringify(bad.body)}`);
        }
        const jwt = await new SignJWT({})
            .setProtectedHeader({ alg: "ES256" })
            .setSubject("bench")
            .setAudience("vault")
            .setIssuedAt()
            .setExpirationTime("1h")
            .sign(createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" })));
        await this.must("mkdir -m 700 -p /run/bench; cat > /run/bench/jwt", jwt);
        await this.must(
            "cat > /run/bench/agent.hcl",
            `vault { address = "${this.lab.bao.addressFromNode}" }
auto_auth { method "jwt" { mount_path = "auth/bench" config = { path = "/run/bench/jwt", role = "bench", remove_jwt_after_reading = false } } }
template { contents = "{{ with secret \\"openai/creds/my-role\\" }}{{ .Data.api_key }}{{ end }}" destination = "/run/bench/key.json" perms = "0600" }
`,
        );
    }
}
