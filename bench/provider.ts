// SPDX-License-Identifier: Apache-2.0
// Our provider against the server that @pulumi/pulumi ships for providers in TypeScript (`pulumi.provider.main`), the same start each:
// spawn node, wait for the port on stdout, read the resident set.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "../scripts/build";
import { lessIsBetter, type Row } from "./row";

const root = resolve(__dirname, "..");
const pairs = 7;

export async function bench(): Promise<Row[]> {
    await build();
    const folder = mkdtempSync(join(tmpdir(), "riptides-bench-"));
    try {
        const stock = join(folder, "stock.js");
        writeFileSync(
            stock,
            `const { main } = require(${JSON.stringify(join(root, "node_modules/@pulumi/pulumi/provider"))});
main({ version: "0.1.0", getSchema: async () => "{}" }, process.argv.slice(2));`,
        );
        const ours = join(root, "dist", "plugin", "main.js");
        const figures = { ours: [] as Start[], peer: [] as Start[] };
        await start(ours);
        await start(stock);
        for (let pair = 0; pair < pairs; pair++) {
            figures.ours.push(await start(ours));
            figures.peer.push(await start(stock));
        }
        const pick = (starts: Start[], key: keyof Start) => starts.map((one) => one[key]);
        return [
            lessIsBetter(
                "provider: start to port",
                "ms",
                pick(figures.ours, "milliseconds"),
                pick(figures.peer, "milliseconds"),
            ),
            lessIsBetter(
                "provider: resident set",
                "MB",
                pick(figures.ours, "megabytes"),
                pick(figures.peer, "megabytes"),
            ),
        ];
    } finally {
        rmSync(folder, { recursive: true });
    }
}

interface Start {
    milliseconds: number;
    megabytes: number;
}

function start(program: string): Promise<Start> {
    return new Promise((done, failed) => {
        const begin = process.hrtime.bigint();
        const child = spawn(process.execPath, [program, "127.0.0.1:1"], { stdio: ["ignore", "pipe", "ignore"] });
        child.once("error", failed);
        child.stdout.once("data", () => {
            const milliseconds = Number(process.hrtime.bigint() - begin) / 1e6;
            const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]);
            child.once("close", () => done({ milliseconds, megabytes: kilobytes / 1024 }));
            child.kill();
        });
    });
}
