// SPDX-License-Identifier: Apache-2.0
// What processes that are not bound pay: connect() and an exchange of one byte with the module loaded and a binding in force, against the
// same node without the module; on a declared service's port and on another.
import { lessIsBetter, type Row } from "./row";
import { WireNode } from "./wire-node";

const pairs = 9;
const ports = { "the service's port": 443, "another port": 9443 };

export async function bench(): Promise<Row[]> {
    const node = await WireNode.start();
    const figures = Object.keys(ports).map(() => ({ ours: [] as Figure[], peer: [] as Figure[] }));
    for (let pair = 0; pair < pairs; pair++) {
        for (const side of ["ours", "peer"] as const) {
            if (side === "peer") {
                await node.unloadModule();
            }
            await node.stopServer();
            for (const [index, port] of Object.values(ports).entries()) {
                figures[index]![side].push(least(await node.connects(port)));
            }
            await node.startServer();
        }
        await node.loadModule();
    }
    return Object.keys(ports).flatMap((name, index) => {
        const { ours, peer } = figures[index]!;
        return [
            lessIsBetter(
                `unbound-cost: connect, ${name}`,
                "us",
                ours.map((figure) => figure.connect),
                peer.map((figure) => figure.connect),
            ),
            lessIsBetter(
                `unbound-cost: exchange, ${name}`,
                "us",
                ours.map((figure) => figure.exchange),
                peer.map((figure) => figure.exchange),
            ),
        ];
    });
}

/** Microseconds. */
interface Figure {
    connect: number;
    exchange: number;
}

/** The round that other work of the machine has disturbed least: what is looked for is smaller than such disturbance. */
function least(rounds: [number, number][]): Figure {
    return {
        connect: Math.min(...rounds.map(([connect]) => connect)) / 1e3,
        exchange: Math.min(...rounds.map(([, exchange]) => exchange)) / 1e3,
    };
}
