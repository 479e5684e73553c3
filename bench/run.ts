// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- [name...] [--json]`: ratios measured in one run, each against what people use today. A ratio above 1 means ours is better.
import { messageOf } from "../api";
import { BenchNode } from "./node";
import type { Row } from "./row";
import { WireNode } from "./wire-node";

/** Loaded when asked for: each stands on other parts of the lab. */
const benches: Record<string, () => { bench: () => Promise<Row[]> }> = {
    provider: () => require("./provider"),
    delivery: () => require("./delivery"),
    "agent-rss": () => require("./agent-rss"),
    "sysfs-read": () => require("./sysfs-read"),
    engine: () => require("./engine"),
    wire: () => require("./wire"),
    "unbound-cost": () => require("./unbound-cost"),
};

async function main(args: string[]): Promise<void> {
    const json = args.includes("--json");
    const names = args.filter((arg) => !arg.startsWith("--"));
    const unknown = names.find((name) => !(name in benches));
    if (unknown !== undefined) {
        throw new Error(`there is no bench ${unknown}; there are ${Object.keys(benches).join(", ")}`);
    }
    try {
        for (const name of names.length > 0 ? names : Object.keys(benches)) {
            const { bench } = benches[name]!();
            for (const row of await bench()) {
                console.log(json ? JSON.stringify(row) : table(row));
            }
        }
    } finally {
        await Promise.all([BenchNode.end(), WireNode.end()]);
    }
}

function table({ bench, ours, peer, ratio, unit }: Row): string {
    const number = (value: number) => value.toPrecision(4).padStart(10);
    return `${bench.padEnd(44)} ours ${number(ours)} ${unit.padEnd(6)} peer ${number(peer)} ${unit.padEnd(6)} ratio ${ratio.toFixed(2)}`;
}

main(process.argv.slice(2)).then(
    () => process.exit(0),
    (error: unknown) => {
        console.error(messageOf(error));
        process.exit(1);
    },
);
