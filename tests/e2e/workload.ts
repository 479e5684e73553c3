// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { buildWorkload } from "../../examples/openai-agent/app/build";
import type { Lab } from "../../lab";
import { root } from "../suites";

/** A line that `ai-agent` prints for each call it makes. */
export interface Call {
    at: string;
    ok: boolean;
    status?: number;
    models?: number;
    keyId?: string;
    /** Names of the fields of the credential file. */
    fields?: string[];
    readError?: string;
    error?: string;
}

/** The example's AI agent on the lab's node. */
export class Workload {
    private constructor(private readonly lab: Lab) {}

    /** Puts the program and its unit on the node. It runs from then on, with or without a key. */
    static async install(lab: Lab, keyFile: string): Promise<Workload> {
        const program = await buildWorkload(join(root, "dist", "ai-agent"));
        const workload = new Workload(lab);
        await workload.must("systemctl stop ai-agent.service 2>/dev/null; true");
        await lab.node.upload(program, "/usr/local/bin/ai-agent");
        await lab.node.upload(
            join(root, "examples", "openai-agent", "app", "ai-agent.service"),
            "/etc/systemd/system/ai-agent.service",
        );
        await workload.must(
            "chmod 755 /usr/local/bin/ai-agent; mkdir -p /etc/systemd/system/ai-agent.service.d; cat > /etc/systemd/system/ai-agent.service.d/lab.conf; systemctl daemon-reload; systemctl start ai-agent.service",
            `[Service]\nEnvironment=AI_AGENT_KEY_FILE=${keyFile} AI_AGENT_INTERVAL_MS=500\n`,
        );
        return workload;
    }

    /** The calls since a moment, oldest first. @param since seconds since 1970 on the node's clock */
    async calls(since: number): Promise<Call[]> {
        const journal = await this.must(`journalctl -u ai-agent.service -o cat --no-pager --since=@${since}`);
        return journal
            .split("\n")
            .filter((line) => line.startsWith("{"))
            .map((line) => JSON.parse(line) as Call);
    }

    /** The node's clock, in seconds since 1970. */
    async now(): Promise<number> {
        return Number(await this.must("date +%s"));
    }

    /** Runs a command on the node as root. @throws when it fails */
    async must(command: string, stdin?: string): Promise<string> {
        const { code, stdout, stderr } = await this.lab.node.exec(command, { stdin });
        if (code !== 0) {
            throw new Error(`on the node, ${command} ended with ${code}: ${stderr || stdout}`);
        }
        return stdout;
    }

    async remove(): Promise<void> {
        await this.must(
            "systemctl stop ai-agent.service; rm -rf /etc/systemd/system/ai-agent.service* /usr/local/bin/ai-agent; systemctl daemon-reload",
        );
    }
}
