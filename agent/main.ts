// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";
import { existsSync } from "node:fs";
import { messageOf, RiptidesError } from "../api";
import { kernelDevice } from "../api/kernel-message";
import { Agent } from "./agent";
import { systemClock } from "./clock";
import { KubernetesCluster } from "./cluster-http";
import { AgentConfiguration, loadConfiguration } from "./configuration";
import { drain, leftover } from "./drain";
import { SystemdHost } from "./host";
import { KernelDevice } from "./kernel-device";
import { failureFields, jsonLog } from "./log";
import { isSealed, seal, unseal } from "./sealed-credential";
import { SigningKey } from "./signing-key";
import { TrustDirectory } from "./trust-stores";
import { HttpVault } from "./vault-http";

const log = jsonLog((line) => process.stdout.write(line));
const defaultConfiguration = "/etc/riptides/agent.json";

/** `agent.js [run] | init | drain  [--config FILE]` */
async function main(): Promise<void> {
    const { positionals, values } = parseArgs({
        allowPositionals: true,
        options: { config: { type: "string", default: defaultConfiguration } },
    });
    const [command = "run", ...rest] = positionals;
    const commands: Record<string, (configuration: AgentConfiguration) => Promise<void>> = {
        run,
        init,
        drain: removeAll,
    };
    const chosen = commands[command];
    if (!chosen || rest.length > 0) {
        throw new RiptidesError("InvalidConfiguration", {
            reason: `${positionals.join(" ")} is not a command`,
            fix: `Use one of ${Object.keys(commands).join(", ")}.`,
        });
    }
    await chosen(loadConfiguration(values.config));
}

async function run(configuration: AgentConfiguration): Promise<void> {
    const [key, cluster] = [await SigningKey.from(await unseal("identity")), await clusterOf(configuration)];
    const kernel = await KernelDevice.open();
    const agent = new Agent({
        configuration,
        key,
        cluster,
        kernel,
        log,
        clock: systemClock,
        host: new SystemdHost(),
        trust: new TrustDirectory(),
        vault: new HttpVault(),
    });
    const stop = () => {
        agent.stop().then(() => process.exit(0), die);
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
    kernel.onLost((reason) => die(new RiptidesError("KernelModule", { reason: `the module hung up: ${reason}` })));
    await agent.start();
}

async function init(configuration: AgentConfiguration): Promise<void> {
    if (!isSealed("identity")) {
        await seal("identity", SigningKey.generate());
    }
    const { publicKey } = await SigningKey.from(await unseal("identity"));
    process.stdout.write(`${JSON.stringify({ agentId: configuration.agentId, publicKey })}\n`);
}

async function removeAll(configuration: AgentConfiguration): Promise<void> {
    const kernel = existsSync(kernelDevice) ? await KernelDevice.open() : undefined;
    const vault = new HttpVault();
    let cluster: KubernetesCluster | undefined;
    try {
        const drained = await drain({
            agentId: configuration.agentId,
            clock: systemClock,
            cluster: async () => (cluster = await clusterOf(configuration)),
            kernel,
            trust: new TrustDirectory(),
            vault,
            log,
        });
        process.stdout.write(`${JSON.stringify(drained)}\n`);
        if (drained.pending > 0) {
            throw leftover(drained);
        }
    } finally {
        cluster?.close();
        vault.close();
        await kernel?.close();
    }
}

async function clusterOf({ cluster, namespace }: AgentConfiguration): Promise<KubernetesCluster> {
    return new KubernetesCluster({ ...cluster, namespace, token: await unseal("cluster"), clock: systemClock });
}

function die(error: unknown): void {
    log.error(messageOf(error), failureFields(error));
    process.exit(1);
}

process.on("uncaughtException", die);
process.on("unhandledRejection", die);
main().catch(die);
