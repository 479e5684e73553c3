// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export const root = resolve(__dirname, "..");

/** What a suite counted. */
export interface Count {
    passed: number;
    failed: number;
}

/** All test files below a folder of tests/. */
export function testFiles(folder: string): string[] {
    return readdirSync(join(root, "tests", folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".test.ts"))
        .map((name) => join(root, "tests", folder, name))
        .filter((path) => statSync(path).isFile())
        .sort();
}

/** Runs test files in a process of their own. A process that dies before it has counted is one failure. */
export async function mocha(files: string[], env: NodeJS.ProcessEnv = {}): Promise<Count> {
    const folder = mkdtempSync(join(tmpdir(), "riptides-tests-"));
    const result = join(folder, "count.json");
    try {
        const code = await run(
            process.execPath,
            ["--require", "tsx/cjs", join(__dirname, "mocha.ts"), result, ...files],
            env,
        );
        try {
            return JSON.parse(readFileSync(result, "utf8")) as Count;
        } catch (error) {
            console.error(`the test process ended with code ${code} before it had counted: ${String(error)}`);
            return { passed: 0, failed: 1 };
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
}

/** Runs `go test -json` in a module and counts its tests; prints failures in full. */
export async function goTest(module: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Count> {
    const count: Count = { passed: 0, failed: 0 };
    const output = new Map<string, string[]>();
    const child = spawn("go", ["test", "-json", ...args, "./..."], {
        cwd: join(root, module),
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number>((done, failed) => {
        child.once("error", failed);
        child.once("close", (code) => done(code ?? 1));
    });
    for await (const line of createInterface({ input: child.stdout })) {
        if (!line.startsWith("{")) {
            console.log(line);
            continue;
        }
        const event = JSON.parse(line) as {
            Action: string;
            Package: string;
            Test?: string;
            Output?: string;
            Elapsed?: number;
        };
        const key = `${event.Package} ${event.Test ?? ""}`;
        if (event.Action === "output") {
            output.set(key, [...(output.get(key) ?? []), event.Output ?? ""]);
        } else if (event.Test && event.Action === "pass") {
            count.passed++;
            output.delete(key);
        } else if (event.Test && event.Action === "skip") {
            // The reason is what the test has said, without Go's own lines.
            const said = (output.get(key) ?? []).filter((text) => !/^\s*(===|---)/.test(text));
            console.log(`skipped ${event.Test}: ${said.join("").trim()}`);
            output.delete(key);
        } else if (event.Action === "fail" || event.Action === "build-fail") {
            console.log((output.get(key) ?? []).join(""));
            count.failed += event.Test ? 1 : 0;
        } else if (!event.Test && event.Action === "pass") {
            console.log(`ok ${event.Package} ${event.Elapsed ?? 0} s`);
        }
    }
    const code = await ended;
    if (code !== 0 && count.failed === 0) {
        // A package that does not build has no test to blame.
        count.failed = 1;
    }
    return count;
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<number> {
    return new Promise((done, failed) => {
        const child = spawn(command, args, {
            cwd: root,
            env: { ...process.env, ...env },
            stdio: ["ignore", "inherit", "inherit"],
        });
        child.once("error", failed);
        child.once("close", (code) => done(code ?? 1));
    });
}
