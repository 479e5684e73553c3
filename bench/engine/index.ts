// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { toolPath } from "../../lab";
import type { Row } from "../row";

/**
 * The secrets engine on a real OpenBao, beside itself without write-ahead entries and beside the kv engine as the floor.
 * The measuring is a Go program of this folder that prints one row a line.
 */
export async function bench(): Promise<Row[]> {
    const bao = await toolPath("bao");
    const child = spawn("go", ["run", "."], {
        cwd: __dirname,
        env: { ...process.env, BAO: bao },
        stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number>((done, failed) => {
        child.once("error", failed);
        child.once("close", (code) => done(code ?? 1));
    });
    const rows: Row[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
        rows.push(JSON.parse(line) as Row);
    }
    const code = await ended;
    if (code !== 0) throw new Error(`the engine's bench ended with code ${code}`);
    return rows;
}
