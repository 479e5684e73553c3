// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { down, type Lab, up } from "../lab";
import { install } from "../lab/debian";
import { build } from "../scripts/build";
import { openaiConfig, stackConfig } from "../tests/e2e/example-config";
import { eventually } from "../tests/e2e/probe";
import { LabStack } from "../tests/e2e/stack";
import { nginxProgram, proxyConfiguration, serverConfiguration } from "./nginx";

/** The workload's place in examples/wire-injection: what its binding selects. */
const bound = "/usr/local/bin/wire-agent";
/** The same program where no binding selects it. */
const unbound = "/usr/local/bin/bench-client";
const unit = `[Service]
Type=oneshot
User=agent
EnvironmentFile=/run/bench/arguments
ExecStart=${bound} $ARGUMENTS
StandardOutput=truncate:/run/bench/out
`;

/** What a run of the client measured. */
export interface Load {
    requestsPerSecond: number;
    /** Microseconds. */
    p99: number;
}

/** A lab with examples/wire-injection up, and on its node a TLS server for api.openai.com and a proxy that adds a key. Shared by the benches of a run. */
export class WireNode {
    private static shared?: Promise<WireNode>;

    private constructor(private readonly lab: Lab) {}

    static start(): Promise<WireNode> {
        return (WireNode.shared ??= WireNode.bringUp());
    }

    /** Ends the lab, if one was started. */
    static async end(): Promise<void> {
        const node = await WireNode.shared;
        if (node) {
            await down(node.lab);
        }
    }

    private static async bringUp(): Promise<WireNode> {
        await build();
        const lab = await up({ name: "bench-wire" });
        try {
            const node = new WireNode(lab);
            await node.must("mkdir -p /run/bench");
            await node.installPrograms();
            const stack = await LabStack.open(lab, "bench", "wire-injection");
            const config = { ...openaiConfig(lab), ttl: "1h" };
            await stack.configure(stackConfig(lab, "wire-injection", config, { adminKey: lab.simulator.adminKey }));
            await stack.up();
            await node.startServers();
            return node;
        } catch (error) {
            await down(lab);
            throw error;
        }
    }

    /** Runs a command on the node. @throws when it fails */
    async must(command: string, stdin?: string): Promise<string> {
        const { code, stdout, stderr } = await this.lab.node.exec(command, { stdin, timeoutMs: 5 * 60_000 });
        if (code !== 0) {
            throw new Error(`on the node, ${command} ended with ${code}: ${stderr || stdout}`);
        }
        return stdout;
    }

    /** The bound process: plain HTTP, the kernel adds TLS and the key. */
    async injected(connections: number, requests: number): Promise<Load> {
        const command = `ARGUMENTS=443 plain riptides ${connections} ${requests}\n`;
        await this.must("cat > /run/bench/arguments", command);
        return load(await this.must("systemctl start wire-agent.service && cat /run/bench/out"));
    }

    /** An unbound process that holds a key and does its own TLS. */
    ownTls(connections: number, requests: number): Promise<Load> {
        return this.run(`443 tls sk-bench ${connections} ${requests}`);
    }

    /** An unbound process without a key that asks the proxy. */
    proxied(connections: number, requests: number): Promise<Load> {
        return this.run(`8080 plain riptides ${connections} ${requests}`);
    }

    /** An unbound process that connects to itself: nanoseconds of connect() and of an exchange of one byte, by round. */
    async connects(port: number): Promise<[number, number][]> {
        const said = await this.must(`/usr/local/bin/bench-connects ${port}`);
        return said
            .trim()
            .split("\n")
            .map((line) => line.split(" ").map(Number) as [number, number]);
    }

    /** Frees port 443 of 127.0.0.1. */
    async stopServer(): Promise<void> {
        await this.must("kill $(cat /run/bench/server.pid); while test -e /run/bench/server.pid; do sleep 0.05; done");
    }

    async startServer(): Promise<void> {
        await this.must("/usr/local/bin/bench-nginx -e /run/bench/server.log -c /run/bench/server.conf");
    }

    async unloadModule(): Promise<void> {
        await this.must("systemctl stop riptides-agent.service riptides-tls.service && rmmod riptides");
    }

    /** Loads the module and waits until it holds the binding: a bound request goes through. */
    async loadModule(): Promise<void> {
        await this.must("systemctl start riptides-tls.service riptides-agent.service");
        await eventually(() => this.injected(1, 1), 120_000);
    }

    private async run(args: string): Promise<Load> {
        return load(await this.must(`runuser -u agent -- ${unbound} ${args}`));
    }

    private async installPrograms(): Promise<void> {
        if (!existsSync("/usr/include/openssl/ssl.h")) {
            await install(["libssl-dev"]);
        }
        const folder = mkdtempSync(join(tmpdir(), "riptides-client-"));
        try {
            const source = (name: string) => join(__dirname, name);
            const place = (name: string) => join(folder, name);
            const flags = ["-O2", "-D_GNU_SOURCE"];
            // Not static: "own TLS" is that of the node's own OpenSSL, whose key exchange the helper's is compared with.
            execFileSync("gcc", [...flags, source("client.c"), "-o", place("client"), "-lssl", "-lcrypto"], {
                stdio: ["ignore", "inherit", "pipe"],
            });
            execFileSync("gcc", [...flags, "-static", source("connects.c"), "-o", place("connects")]);
            await this.lab.node.upload(place("client"), bound);
            await this.lab.node.upload(place("client"), unbound);
            await this.lab.node.upload(place("connects"), "/usr/local/bin/bench-connects");
            await this.lab.node.upload(await nginxProgram(), "/usr/local/bin/bench-nginx");
            await this.must(
                `chmod 755 ${bound} /usr/local/bin/bench-*; cat > /etc/systemd/system/wire-agent.service; systemctl daemon-reload`,
                unit,
            );
        } finally {
            rmSync(folder, { recursive: true });
        }
    }

    /** The way to the simulator makes room for a server on the node itself, so that the network between the two is not what is measured. */
    private async startServers(): Promise<void> {
        await this.must("systemctl stop openai-api.socket openai-api.service");
        const certificate = join(this.lab.dir, "certs", "openai-simulator");
        await this.lab.node.upload(`${certificate}.crt`, "/run/bench/server.crt");
        await this.lab.node.upload(`${certificate}.key`, "/run/bench/server.key");
        await this.must("cat > /run/bench/server.conf", serverConfiguration);
        await this.must("cat > /run/bench/proxy.conf", proxyConfiguration);
        await this.startServer();
        await this.must("/usr/local/bin/bench-nginx -e /run/bench/proxy.log -c /run/bench/proxy.conf");
    }
}

function load(said: string): Load {
    const [requestsPerSecond, p99] = said.trim().split(" ").map(Number);
    if (!(requestsPerSecond! > 0) || !(p99! > 0)) {
        throw new Error(`the client said ${JSON.stringify(said)}`);
    }
    return { requestsPerSecond: requestsPerSecond!, p99: p99! };
}
