// SPDX-License-Identifier: Apache-2.0
// Makes everything in dist/: the npm entry, the plugin, the bundle for a node, and the lab's stand-in plugins.
// Usage: tsx scripts/build.ts [target...]; see docs/node.md for what the bundle holds.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { bundledHelpers } from "../lab/helper";
import { bundle, type Bundled } from "./build/bundle";
import { Stamps, writeAtomic } from "./build/stamp";

const root = resolve(__dirname, "..");
const dist = join(root, "dist");

/** What can be asked for: `npm` (api, components), `plugin`, `agent`, `runtime`, `kmod`, `helper`, and the stand-in plugins. */
export const targets = ["npm", "plugin", "agent", "runtime", "kmod", "helper", "vault", "kubernetes"] as const;
export type Target = (typeof targets)[number];

export interface BuildOptions {
    /** What to make; everything when left out. */
    only?: readonly Target[];
    /** Receives one line per target. */
    log?: (line: string) => void;
}

/** A target could not be made; the message holds the tool's own words. */
export class BuildError extends Error {}

interface Made {
    inputs: string[];
    outputs: string[];
    detail: string;
}

interface Recipe {
    /** Whatever decides the result besides the inputs' content. */
    version: string;
    /** Files that decide whether to make it, where they are known before. */
    inputs?: () => string[];
    make: () => Made | Promise<Made>;
}

/**
 * Makes the targets into dist/. A target whose inputs and outputs have not changed since is left alone.
 * @throws BuildError naming every target that could not be made
 */
export async function build(options: BuildOptions = {}): Promise<void> {
    const log = options.log ?? (() => undefined);
    const stamps = new Stamps(root, dist);
    const failures: string[] = [];
    for (const target of options.only ?? targets) {
        const started = Date.now();
        const say = (text: string) => log(`build ${target.padEnd(10)} ${text}`);
        try {
            const recipe = recipes[target]();
            if (stamps.isCurrent(target, recipe.version, recipe.inputs?.())) {
                say("unchanged");
                continue;
            }
            const { inputs, outputs, detail } = await recipe.make();
            stamps.record(target, recipe.version, inputs, outputs);
            say(`${detail} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
        } catch (error) {
            failures.push(`${target}: ${error instanceof Error ? error.message : String(error)}`);
            say("failed");
        }
    }
    if (failures.length > 0) {
        throw new BuildError(failures.join("\n"));
    }
}

const recipes: Record<Target, () => Recipe> = {
    npm: npmEntry,
    plugin: () => plugin("plugin", "provider/main.ts", "dist/plugin", "riptides"),
    agent,
    runtime,
    kmod: moduleSources,
    helper: helperSources,
    vault: () => standIn("vault"),
    kubernetes: () => standIn("kubernetes"),
};

function npmEntry(): Recipe {
    const inputs = () => [
        ...["api", "components"].flatMap((room) => filesBelow(room, (name) => name.endsWith(".ts"))),
        ...["tsconfig.json", "tsconfig.build.json", "package-lock.json"],
    ];
    return {
        version: "1",
        inputs,
        make() {
            demand("components/index.ts");
            // tsc trusts its own notes of what it wrote; without dist they are wrong.
            if (!existsSync(join(dist, "components")) || !existsSync(join(dist, "api"))) {
                rmSync(join(root, "node_modules/.cache/tsconfig.build.tsbuildinfo"), { force: true });
            }
            run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"]);
            const outputs = ["dist/api", "dist/components"].flatMap((folder) => filesBelow(folder));
            return { inputs: inputs(), outputs, detail: `${outputs.length} files` };
        },
    };
}

function plugin(target: Target, entry: string, folder: string, name: string): Recipe {
    const { version } = manifest();
    return {
        version: `1 ${version}`,
        async make() {
            demand(entry);
            const made = await bundle(root, entry, `${folder}/main.js`, `// ${name} ${version}`);
            const shim = `${folder}/pulumi-resource-${name}`;
            writeAtomic(join(root, shim), shimText, 0o755);
            const outputs = [...made.outputs, shim];
            if (target === "plugin") {
                outputs.push(await writeSchema(folder));
            }
            removeOthers(folder, outputs);
            return { inputs: [...made.inputs, "package.json"], outputs, detail: describe(made) };
        },
    };
}

// Pulumi starts the file by its name; Node is the one that PATH finds, as for any npm tool.
const shimText = `#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
exec node "$(dirname -- "$(readlink -f -- "$0")")/main.js" "$@"
`;

async function writeSchema(folder: string): Promise<string> {
    // Loaded when needed: gRPC would double the time of a build that has nothing to do.
    const { schemaOf } = require("./build/schema") as typeof import("./build/schema");
    const file = `${folder}/schema.json`;
    writeAtomic(join(root, file), await schemaOf(join(root, folder, "main.js")));
    return file;
}

function standIn(name: "vault" | "kubernetes"): Recipe {
    const entry = `lab/plugins/${name}/main.ts`;
    return plugin(name, entry, `dist/standins/${name}`, name);
}

function agent(): Recipe {
    const { version } = manifest();
    return {
        version: `1 ${version}`,
        async make() {
            demand("agent/main.ts");
            const unit = "agent/riptides-agent.service";
            demand(unit);
            // The provider reads the version of what it installs from the first line.
            const made = await bundle(root, "agent/main.ts", "dist/bundle/agent.js", `// riptides-agent ${version}`, {
                "whatwg-url": join(root, "agent/whatwg-url.ts"),
            });
            const outputs = [...made.outputs, "dist/bundle/riptides-agent.service"];
            writeAtomic(join(dist, "bundle/riptides-agent.service"), readFileSync(join(root, unit)));
            return { inputs: [...made.inputs, unit, "package.json"], outputs, detail: describe(made) };
        },
    };
}

/** The Node that runs this is the one a node is given; without its symbols it is an eighth smaller. */
function runtime(): Recipe {
    const output = "dist/bundle/node";
    return {
        version: `1 ${process.execPath} ${process.version} ${process.arch}`,
        make() {
            if (process.platform !== "linux") {
                throw new BuildError(`a runtime for Linux nodes cannot be taken from ${process.platform}`);
            }
            const temporary = join(root, `${output}.${process.pid}.tmp`);
            mkdirSync(join(dist, "bundle"), { recursive: true });
            copyFileSync(process.execPath, temporary);
            const stripped = spawnSync("strip", [temporary]).status === 0;
            chmodSync(temporary, 0o755);
            renameSync(temporary, join(root, output));
            const detail = `node ${process.version}${stripped ? ", stripped" : ""}`;
            return { inputs: [relative(root, process.execPath)], outputs: [output], detail };
        },
    };
}

/** Sources for a build on the node: what `make` there needs, nothing that a build leaves behind. */
function moduleSources(): Recipe {
    const isSource = (name: string) => /\.[chS]$|^Makefile$|^Kbuild$|^LICENSE$/.test(name) && !name.endsWith(".mod.c");
    // A change of the TLS helper must not have the module built and loaded anew.
    const inputs = () => filesBelow("kmod", isSource).filter((path) => !path.startsWith("kmod/helper/"));
    return {
        version: "1",
        inputs,
        make() {
            demand("kmod/Makefile");
            const sources = inputs();
            const outputs = sources.map((path) => `dist/bundle/${path}`);
            sources.forEach((path, i) => writeAtomic(join(root, outputs[i]!), readFileSync(join(root, path))));
            removeOthers("dist/bundle/kmod", outputs);
            return { inputs: sources, outputs, detail: `${sources.length} sources` };
        },
    };
}

/** The TLS helper's unit and sources; its program is built by the lab (`npm run lab -- helper`). */
function helperSources(): Recipe {
    const unit = "kmod/helper/riptides-tls.service";
    const sources = () => [
        ...filesBelow("kmod/helper", (name) => /\.[ch]$|^Makefile$|^LICENSE$/.test(name)),
        ...["kmod/uapi/riptides.h", "kmod/LICENSE"],
    ];
    return {
        version: "1",
        inputs: () => [unit, ...sources()],
        make() {
            [unit, ...sources()].forEach(demand);
            const copies = sources().map(
                (path) => [path, path.replace("kmod/", "dist/bundle/helper/source/")] as const,
            );
            const outputs = [[unit, "dist/bundle/helper/riptides-tls.service"] as const, ...copies].map(
                ([from, to]) => {
                    writeAtomic(join(root, to), readFileSync(join(root, from)));
                    return to;
                },
            );
            removeOthers("dist/bundle/helper/source", outputs);
            return { inputs: [unit, ...sources()], outputs, detail: `${copies.length} sources` };
        },
    };
}

/** Says that the bundle lacks the TLS helper's program. @throws BuildError when it holds one of other sources */
function checkHelper(): void {
    const { all, stale } = bundledHelpers();
    if (stale.length > 0) {
        const files = stale.map((name) => `dist/bundle/helper/${name}/riptides-tls`).join(", ");
        throw new BuildError(
            `${files}: not known to be built from kmod/helper as it is now; \`${helperCommand}\` renews it, or remove it`,
        );
    }
    if (all.length === 0) {
        console.log(`The bundle holds no riptides-tls: nodes that inject must build it. \`${helperCommand}\` adds it.`);
    }
}

const helperCommand = "npm run lab -- helper";

function manifest(): { version: string } {
    return JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
}

function demand(path: string): void {
    if (!existsSync(join(root, path))) {
        throw new BuildError(`${path} is missing`);
    }
}

function describe({ size, outputs }: Bundled): string {
    const lazy = outputs.filter((path) => path.endsWith(".js")).length - 1;
    return `${Math.round(size / 1000)} kB${lazy > 0 ? ` and ${lazy} loaded when needed` : ""}`;
}

function filesBelow(folder: string, accept: (name: string) => boolean = () => true): string[] {
    if (!existsSync(join(root, folder))) {
        return [];
    }
    return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile() && accept(entry.name))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
        .sort();
}

/** Removes what an earlier build left in a folder. */
function removeOthers(folder: string, kept: readonly string[]): void {
    filesBelow(folder)
        .filter((path) => !kept.includes(path))
        .forEach((path) => rmSync(join(root, path)));
}

function run(command: string, args: string[]): string {
    const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
    if (error || status !== 0) {
        throw new BuildError(error?.message ?? `${stdout}${stderr}`.trim());
    }
    return stdout;
}

if (require.main === module) {
    const asked = process.argv.slice(2);
    const unknown = asked.filter((name) => !(targets as readonly string[]).includes(name));
    const done =
        unknown.length > 0
            ? Promise.reject(new BuildError(`no target ${unknown.join(", ")}; there are ${targets.join(", ")}`))
            : build({ only: asked.length > 0 ? (asked as Target[]) : undefined, log: console.log }).then(() => {
                  if (asked.length === 0 || asked.includes("helper")) {
                      checkHelper();
                  }
              });
    done.catch((error: unknown) => {
        console.error(error instanceof Error ? error.message : error);
        process.exitCode = 1;
    });
}
