// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { build, type BuildOptions, type Metafile, type OutputFile, type Plugin } from "esbuild";
import { writeAtomic } from "./stamp";

/** Files that a bundle was made from and files it made, below the repository. */
export interface Bundled {
    inputs: string[];
    outputs: string[];
    /** Octets of the main file. */
    size: number;
}

interface Lazy {
    specifier: string;
    resolveDir: string;
    file: string;
}

// Both are tried inside a try block by ssh2, which falls back to what Node has built in.
const optionalNative = /^cpu-features$|\.node$/;

/**
 * Bundles `entry` into one CommonJS file for Node 20. A package that the sources load by `import("package")` becomes a
 * file of its own next to it, so that starting does not pay for what is not used.
 * @param banner first line of the file
 * @param alias files of ours in place of packages
 */
export async function bundle(
    root: string,
    entry: string,
    outfile: string,
    banner: string,
    alias: Record<string, string> = {},
): Promise<Bundled> {
    const lazy = new Map<string, Lazy>();
    const files: OutputFile[] = [];
    const inputs = new Set<string>();
    const common: BuildOptions = {
        absWorkingDir: root,
        bundle: true,
        write: false,
        metafile: true,
        platform: "node",
        target: "node20",
        format: "cjs",
        // import() of a sibling file as require(): the names of a CommonJS module arrive unchanged.
        supported: { "dynamic-import": false },
        minifySyntax: true,
        minifyWhitespace: true,
        legalComments: "external",
        alias,
        logLevel: "silent",
    };
    const collect = (result: { outputFiles?: OutputFile[]; metafile?: Metafile }) => {
        files.push(...(result.outputFiles ?? []));
        Object.keys(result.metafile?.inputs ?? {})
            .filter((path) => !path.startsWith("<"))
            .forEach((path) => inputs.add(path));
    };
    const plugins = [native, lazyPackages(lazy)];
    collect(await build({ ...common, entryPoints: [entry], outfile, banner: { js: banner }, plugins }));
    for (const { specifier, resolveDir, file } of lazy.values()) {
        collect(
            await build({
                ...common,
                stdin: { contents: `module.exports = require(${JSON.stringify(specifier)});`, resolveDir },
                outfile: join(outfile, "..", file),
                plugins: [native],
            }),
        );
    }
    const kept = files.filter(({ path, contents }) => {
        // A bundle without foreign code has no notices.
        const empty = contents.length === 0;
        if (empty) {
            rmSync(path, { force: true });
        }
        return !empty;
    });
    kept.forEach(({ path, contents }) => writeAtomic(path, contents));
    return {
        inputs: [...inputs],
        outputs: kept.map(({ path }) => relative(root, path)),
        size: kept.find(({ path }) => basename(path) === basename(outfile))?.contents.length ?? 0,
    };
}

const native: Plugin = {
    name: "optional-native",
    setup(setup) {
        setup.onResolve({ filter: optionalNative }, ({ path }) => ({ path, external: true }));
    },
};

function lazyPackages(found: Map<string, Lazy>): Plugin {
    return {
        name: "lazy-packages",
        setup(setup) {
            setup.onResolve({ filter: /^[^./]/ }, ({ path, kind, resolveDir }) => {
                if (kind !== "dynamic-import" || path.startsWith("node:")) {
                    return undefined;
                }
                const file = `${path.replace(/^@/, "").replaceAll("/", "-")}.js`;
                found.set(path, { specifier: path, resolveDir, file });
                return { path: `./${file}`, external: true };
            });
        },
    };
}
