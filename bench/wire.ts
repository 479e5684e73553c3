// SPDX-License-Identifier: Apache-2.0
// Requests by a bound process whose key and TLS the kernel adds, against the same client doing its own TLS with a key of its own, and
// against the same client asking a proxy on loopback that adds the key (nginx). One server, on the node itself.
import { lessIsBetter, moreIsBetter, type Row } from "./row";
import { type Load, WireNode } from "./wire-node";

const rounds = 7;

export async function bench(): Promise<Row[]> {
    const node = await WireNode.start();
    return [
        ...(await compare(node, "kept connection", 1, 300)),
        ...(await compare(node, "new connection a request", 30, 1)),
    ];
}

async function compare(node: WireNode, name: string, connections: number, requests: number): Promise<Row[]> {
    const ways = {
        ours: () => node.injected(connections, requests),
        "own TLS": () => node.ownTls(connections, requests),
        proxy: () => node.proxied(connections, requests),
    };
    const loads = Object.fromEntries(Object.keys(ways).map((way) => [way, [] as Load[]]));
    for (let round = -1; round < rounds; round++) {
        for (const [way, run] of Object.entries(ways)) {
            const load = await run();
            // The first round warms up.
            if (round >= 0) {
                loads[way]!.push(load);
            }
        }
    }
    const pick = (way: string, key: keyof Load) => loads[way]!.map((load) => load[key]);
    return ["own TLS", "proxy"].flatMap((peer) => [
        moreIsBetter(
            `wire: ${name}, to ${peer}`,
            "req/s",
            pick("ours", "requestsPerSecond"),
            pick(peer, "requestsPerSecond"),
        ),
        lessIsBetter(`wire: ${name}, p99, to ${peer}`, "us", pick("ours", "p99"), pick(peer, "p99")),
    ]);
}
