// SPDX-License-Identifier: Apache-2.0
// Makes one executable of a workload: the program inside a copy of this Node, so that /usr/local/bin/ai-agent is what
// the kernel sees as the executable, and no other script run by a shared `node` passes for it.
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";

// The name and mark under which Node looks for a program inside itself:
// https://nodejs.org/docs/latest-v20.x/api/single-executable-applications.html
const blobName = "NODE_SEA_BLOB";
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const run = promisify(execFile);
// A process of its own: loaded as a library, postject makes every unhandled rejection of this process end it.
const postject = require.resolve("postject/dist/cli.js");

/**
 * Builds the executable at `output` and gives its absolute path. It holds no key and no configuration.
 * @param source the program's entry
 */
export async function buildWorkload(output: string, source = join(__dirname, "ai-agent.ts")): Promise<string> {
    const target = resolve(output);
    const work = await mkdtemp(join(tmpdir(), "workload-"));
    try {
        const program = join(work, "workload.js");
        await build({
            entryPoints: [source],
            outfile: program,
            bundle: true,
            platform: "node",
            target: "node20",
            format: "cjs",
            minify: true,
            logLevel: "error",
        });
        const blob = join(work, "workload.blob");
        const config = join(work, "sea.json");
        await writeFile(config, JSON.stringify({ main: program, output: blob, disableExperimentalSEAWarning: true }));
        await run(process.execPath, ["--experimental-sea-config", config]);
        const executable = join(work, "workload");
        await copyFile(process.execPath, executable);
        await chmod(executable, 0o755);
        await run(process.execPath, [postject, executable, blobName, blob, "--sentinel-fuse", fuse]);
        await mkdir(dirname(target), { recursive: true });
        // Copied beside the target and renamed, so that a program in use is replaced and never written over.
        await copyFile(executable, `${target}.new`);
        await rename(`${target}.new`, target);
        return target;
    } finally {
        await rm(work, { recursive: true });
    }
}
