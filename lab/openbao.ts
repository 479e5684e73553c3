// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "./certificates";
import { sha256OfFile } from "./digest";
import { ask } from "./https";
import { start, untilReady, type RunningPart } from "./part";
import { repository } from "./paths";
import type { PortName } from "./state";
import { ownGoProgram, tool } from "./tools";

const startLimitMs = 60_000;

/** The name the engine has in the plugin directory: the `command` of its catalog entry. */
export const engineCommand = "riptides-openai-engine";

const enginePackage = "./cmd/riptides-openai-engine";

/** The version the engine reports about itself, without "v". */
export function engineVersion(): string {
    const file = join(repository, "engine", "version", "version.go");
    const version = /^var Number = "([^"]+)"$/m.exec(readFileSync(file, "utf8"))?.[1];
    if (!version) throw new Error(`${file}: no line 'var Number = "…"'`);
    return version;
}

export function pluginDirectory(directory: string): string {
    return join(directory, "bao", "plugins");
}

/** Puts the engine of this checkout into the plugin directory; answers its SHA-256. */
export async function placeEngine(directory: string): Promise<string> {
    return placePlugin(directory, engineCommand, await ownGoProgram("engine", engineCommand, enginePackage));
}

/** Puts Vault's AWS engine, which OpenBao has none of, into the plugin directory; answers the `command` of its catalog entry and its SHA-256. */
export async function placeAwsEngine(directory: string): Promise<{ command: string; sha256: string }> {
    const command = "vault-plugin-secrets-aws";
    return { command, sha256: await placePlugin(directory, command, await tool("awsEngine")) };
}

function placePlugin(directory: string, command: string, file: string): Promise<string> {
    mkdirSync(pluginDirectory(directory), { recursive: true });
    const placed = join(pluginDirectory(directory), command);
    copyFileSync(file, placed);
    return sha256OfFile(placed);
}

/** An OpenBao server as in production: TLS, storage on disk, initialised and unsealed; not its development mode. */
export async function startOpenBao(
    directory: string,
    authority: Authority,
    ports: Record<PortName, number>,
    started: (part: RunningPart) => void,
): Promise<{ token: string; unsealKey: string }> {
    const file = await tool("bao");
    const home = join(directory, "bao");
    mkdirSync(pluginDirectory(directory), { recursive: true });
    mkdirSync(join(home, "data"), { recursive: true, mode: 0o700 });
    const certificate = authority.issue("openbao");
    const address = `https://127.0.0.1:${ports.bao}`;
    const configuration = join(home, "server.json");
    // The server refuses a plugin directory reached by a symbolic link.
    const settings = {
        storage: { raft: { path: join(home, "data"), node_id: "lab" } },
        listener: {
            tcp: {
                address: `127.0.0.1:${ports.bao}`,
                cluster_address: `127.0.0.1:${ports.baoCluster}`,
                tls_cert_file: certificate.certFile,
                tls_key_file: certificate.keyFile,
            },
        },
        plugin_directory: realpathSync(pluginDirectory(directory)),
        api_addr: address,
        cluster_addr: `https://127.0.0.1:${ports.baoCluster}`,
    };
    writeFileSync(configuration, JSON.stringify(settings, undefined, 2));
    const bao = await start(directory, {
        name: "openbao",
        file,
        args: ["server", `-config=${configuration}`],
        // Plugins inherit this: the engine trusts the simulator's certificate by it.
        env: { SSL_CERT_FILE: authority.caFile },
    });
    started(bao);
    const ca = authority.caPem;
    await untilReady(
        bao,
        "no answer",
        startLimitMs,
        async () => (await ask(`${address}/v1/sys/health`, { ca })).status !== 0,
    );
    const init = await ask(`${address}/v1/sys/init`, {
        method: "PUT",
        ca,
        body: { secret_shares: 1, secret_threshold: 1 },
        timeoutMs: 30_000,
    });
    if (init.status !== 200)
        throw new Error(`OpenBao cannot be initialised: ${init.status} ${init.body}; see ${bao.log}`);
    const keys = JSON.parse(init.body) as { keys_base64: string[]; root_token: string };
    const unsealKey = keys.keys_base64[0] as string;
    const unseal = await ask(`${address}/v1/sys/unseal`, { method: "PUT", ca, body: { key: unsealKey } });
    if (unseal.status !== 200)
        throw new Error(`OpenBao cannot be unsealed: ${unseal.status} ${unseal.body}; see ${bao.log}`);
    await untilReady(
        bao,
        "not active",
        startLimitMs,
        async () => (await ask(`${address}/v1/sys/health`, { ca })).status === 200,
    );
    return { token: keys.root_token, unsealKey };
}
