// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "./certificates";
import { start, untilReady, type RunningPart } from "./part";
import type { LabState, PortName } from "./state";
import { ownGoProgram } from "./tools";

/** Names the guest resolves to the simulator (lab/guest/rootfs/etc/hosts). */
const simulatedHosts = ["api.openai.com", "s3.us-east-1.amazonaws.com"];

/** The one part that is not real: the OpenAI API and an S3-like store, with TLS under their public names. */
export async function startSimulator(
    directory: string,
    authority: Authority,
    ports: Record<PortName, number>,
    started: (part: RunningPart) => void,
): Promise<LabState["simulator"]> {
    const file = await ownGoProgram(join("lab", "simulator"), "openai-simulator", "./cmd/openai-simulator");
    const certificate = authority.issue("openai-simulator", simulatedHosts);
    const adminKey = `sk-admin-${randomBytes(24).toString("base64url")}`;
    const readyFile = join(directory, "simulator.ready");
    rmSync(readyFile, { force: true });
    const simulator = await start(directory, {
        name: "simulator",
        file,
        args: [
            `--listen=127.0.0.1:${ports.simulator}`,
            `--tls-listen=127.0.0.1:${ports.simulatorTls}`,
            `--tls-cert=${certificate.certFile}`,
            `--tls-key=${certificate.keyFile}`,
            `--control=127.0.0.1:${ports.control}`,
            `--ready-file=${readyFile}`,
        ],
        env: { OPENAI_SIMULATOR_ADMIN_KEY: adminKey },
    });
    started(simulator);
    await untilReady(simulator, "no ready file", 30_000, async () => existsSync(readyFile));
    const said = JSON.parse(readFileSync(readyFile, "utf8")) as {
        organization: string;
        project: string;
        admin_key_id: string;
    };
    return { adminKey, adminKeyId: said.admin_key_id, organizationId: said.organization, projectId: said.project };
}
