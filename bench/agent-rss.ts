// SPDX-License-Identifier: Apache-2.0
// Resident set of the node agent against `bao agent`, each with one key, on the same node.
import { BenchNode } from "./node";
import { lessIsBetter, type Row } from "./row";

export async function bench(): Promise<Row[]> {
    const node = await BenchNode.start();
    const { pid } = await node.startBaoAgent();
    const ours = await megabytes(node, "$(systemctl show -p MainPID --value riptides-agent)");
    const peer = await megabytes(node, pid);
    await node.must(`kill ${pid}`);
    return [lessIsBetter("agent-rss: one key", "MB", [ours], [peer])];
}

async function megabytes(node: BenchNode, pid: string): Promise<number> {
    return Number(/VmRSS:\s+(\d+)/.exec(await node.must(`cat /proc/${pid}/status`))?.[1]) / 1024;
}
