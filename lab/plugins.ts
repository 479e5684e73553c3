// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { attempt, CommandError, run, which } from "./command";
import { cacheDirectory, repository } from "./paths";
import { say, step } from "./progress";
import { tool } from "./tools";

/** The official plugins our components use, at the versions of their npm packages. */
const wanted = ["vault", "kubernetes"] as const;
type PluginName = (typeof wanted)[number];

const downloadLimitMs = 10_000;
const oneDayMs = 86_400_000;

/**
 * Directories to put on PATH so that Pulumi finds the Vault and Kubernetes plugins: the official ones where they can be found
 * or downloaded, else the lab's stand-ins, with a line that says so.
 */
export async function pluginPath(): Promise<string[]> {
    const official = await Promise.all(wanted.map(officialPlugin));
    const missing = wanted.filter((_, i) => official[i] === undefined);
    if (missing.length) {
        await step(`building stand-ins for Pulumi's ${missing.join(" and ")} plugin`, () =>
            run(process.execPath, ["--require", "tsx/cjs", join(repository, "scripts", "build.ts"), ...missing], {
                cwd: repository,
            }),
        );
        say(
            `Pulumi's ${missing.join(" and ")} plugin can be neither found nor downloaded: the lab's stand-in is used (docs/lab.md)`,
        );
    }
    return wanted.map((name, i) => official[i] ?? join(repository, "dist", "standins", name));
}

/** The directory of an official plugin: on PATH, where Pulumi keeps its plugins, or downloaded; undefined if it cannot be had. */
async function officialPlugin(name: PluginName): Promise<string | undefined> {
    const program = `pulumi-resource-${name}`;
    const onPath = which(program);
    if (onPath) return dirname(onPath);
    const version = packageVersion(name);
    const ours = join(cacheDirectory(), "pulumi-home");
    const homes = [process.env.PULUMI_HOME || join(homedir(), ".pulumi"), ours];
    const find = () =>
        homes
            .map((home) => join(home, "plugins", `resource-${name}-v${version}`))
            .find((place) => existsSync(join(place, program)));
    return find() ?? ((await download(name, version, ours)) ? find() : undefined);
}

function packageVersion(name: PluginName): string {
    const file = require.resolve(`@pulumi/${name}/package.json`, { paths: [repository] });
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** Tries Pulumi's plugin server for a short while; a failure is remembered for a day. */
async function download(name: PluginName, version: string, home: string): Promise<boolean> {
    const failed = join(cacheDirectory(), `no-plugin-${name}-${version}`);
    if (existsSync(failed) && Date.now() - statSync(failed).mtimeMs < oneDayMs) return false;
    mkdirSync(home, { recursive: true });
    try {
        const args = ["plugin", "install", "resource", name, version];
        const result = await attempt(await tool("pulumi"), args, {
            env: { PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" },
            timeoutMs: downloadLimitMs,
        });
        if (result.code === 0) return true;
        writeFileSync(failed, result.stderr);
    } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        writeFileSync(failed, error.message);
    }
    return false;
}
