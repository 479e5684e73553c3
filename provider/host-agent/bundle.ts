// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { RiptidesError } from "../../api";
import { parseKernelModule, type KernelModule } from "./kernel-module";

/** A file of this machine. */
export interface LocalFile {
    path: string;
    size: number;
    sha256: string;
}

/** A module built beforehand for one kernel release. */
export interface PrebuiltModule extends LocalFile, KernelModule {}

/** The TLS helper, which does the handshakes of injection. */
export interface HelperFiles {
    unit: LocalFile;
    /** Built beforehand, by the architecture as `uname -m` says it. */
    programs: ReadonlyMap<string, LocalFile>;
    /** For a build on the node, by path. */
    sources: ReadonlyMap<string, LocalFile>;
}

/** What is installed on a node. */
export interface Bundle {
    directory: string;
    agent: LocalFile & { version: string };
    unit: LocalFile;
    /** `architecture` as `uname -m` says it. */
    runtime: LocalFile & { architecture: string };
    /** Sources for a build on the node, by their path below kmod/. */
    sources: ReadonlyMap<string, LocalFile>;
    /** By kernel release. */
    modules: ReadonlyMap<string, PrebuiltModule>;
    /** Left out: the bundle is for delivery by files alone. */
    helper?: HelperFiles;
    /** Digest of all of it: changes exactly when something that could reach a node does. */
    sha256: string;
}

const machines: Record<number, string> = { 62: "x86_64", 183: "aarch64", 243: "riscv64" };

/**
 * Reads a bundle.
 * @param bundleDir default: the one next to the plugin
 * @param moduleDir more prebuilt modules, `<kernel release>/riptides.ko`; they win over those of the bundle
 * @throws RiptidesError `InvalidProperty`, `MissingProperty`
 */
export async function openBundle(bundleDir?: string, moduleDir?: string): Promise<Bundle> {
    const directory = bundleDir ? resolve(bundleDir) : await defaultDirectory();
    const [agent, unit, runtime, sources, helper, own, given] = await Promise.all([
        agentFile(directory),
        localFile(directory, "riptides-agent.service"),
        runtimeFile(directory),
        filesBelow(join(directory, "kmod")),
        helperFiles(join(directory, "helper")),
        prebuilt(join(directory, "modules"), "bundleDir"),
        moduleDir ? prebuilt(resolve(moduleDir), "moduleDir") : new Map<string, PrebuiltModule>(),
    ]);
    const modules = new Map([...own, ...given]);
    const parts = [
        ["agent.js", agent.sha256],
        ["riptides-agent.service", unit.sha256],
        ["node", runtime.sha256],
        ...[...sources].map(([path, { sha256 }]) => [`kmod/${path}`, sha256]),
        ...[...modules].sort().map(([release, { sha256 }]) => [`modules/${release}`, sha256]),
        ...(helper ? [["riptides-tls.service", helper.unit.sha256]] : []),
        ...[...(helper?.programs ?? [])].map(([architecture, { sha256 }]) => [`helper/${architecture}`, sha256]),
        ...[...(helper?.sources ?? [])].map(([path, { sha256 }]) => [`helper/source/${path}`, sha256]),
    ];
    const sha256 = createHash("sha256")
        .update(parts.map((part) => part.join(" ")).join("\n"))
        .digest("hex");
    return { directory, agent, unit, runtime, sources, modules, helper, sha256 };
}

/** Digest of the module's sources, for knowing whether a build on a node is still the right one. */
export function sourcesDigest(bundle: Bundle): string {
    const lines = [...bundle.sources].map(([path, { sha256 }]) => `${path} ${sha256}`);
    return createHash("sha256").update(lines.join("\n")).digest("hex");
}

// The plugin is one file in dist/plugin/; run from its sources, dist/ is further away.
async function defaultDirectory(): Promise<string> {
    const candidates = [resolve(__dirname, "../bundle"), resolve(__dirname, "../../dist/bundle")];
    for (const directory of candidates) {
        if (await isFile(join(directory, "agent.js"))) {
            return directory;
        }
    }
    throw new RiptidesError("MissingProperty", {
        property: "bundleDir",
        reason: `there is no agent bundle next to the plugin (${candidates[0]})`,
        fix: "Set bundleDir to a directory that holds agent.js (in a checkout: `npm run build` makes dist/bundle).",
    });
}

async function agentFile(directory: string): Promise<Bundle["agent"]> {
    const file = await localFile(directory, "agent.js");
    const handle = await open(file.path);
    try {
        const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(256), position: 0 });
        const version = /riptides-agent (\S+)/.exec(buffer.toString("utf8", 0, bytesRead))?.[1];
        if (!version) {
            throw new RiptidesError("InvalidProperty", {
                property: "bundleDir",
                reason: `${file.path} is not an agent of this package: its first line names no version`,
            });
        }
        return { ...file, version };
    } finally {
        await handle.close();
    }
}

// A bundle without a runtime, as the npm package has it, carries the Node that runs the plugin.
async function runtimeFile(directory: string): Promise<Bundle["runtime"]> {
    const carried = join(directory, "node");
    const path = (await isFile(carried)) ? carried : process.execPath;
    const handle = await open(path);
    const header = Buffer.alloc(20);
    try {
        await handle.read({ buffer: header, position: 0 });
    } finally {
        await handle.close();
    }
    const isElf = header.toString("latin1", 0, 4) === "\u007fELF";
    const architecture = isElf ? machines[header.readUInt16LE(18)] : undefined;
    if (!architecture) {
        throw new RiptidesError("InvalidProperty", {
            property: "bundleDir",
            reason: `${path} is not a Node for Linux, so it cannot run the agent on a node`,
            fix: `Put the \`node\` of a Linux release of Node 20 or later into ${directory}.`,
        });
    }
    return { ...(await fileAt(path)), architecture };
}

async function helperFiles(directory: string): Promise<HelperFiles | undefined> {
    const unit = join(directory, "riptides-tls.service");
    if (!(await isFile(unit))) {
        return undefined;
    }
    const files = await filesBelow(directory);
    const named = (pattern: RegExp) =>
        new Map([...files].flatMap(([path, file]) => (pattern.test(path) ? [[pattern.exec(path)![1]!, file]] : [])));
    return {
        unit: await fileAt(unit),
        programs: named(/^([^/]+)\/riptides-tls$/),
        sources: named(/^source\/(.+)$/),
    };
}

async function filesBelow(root: string): Promise<Map<string, LocalFile>> {
    const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(ifMissing([]));
    const paths = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
        .sort();
    return new Map(await Promise.all(paths.map(async (path) => [path, await fileAt(join(root, path))] as const)));
}

async function prebuilt(directory: string, property: string): Promise<Map<string, PrebuiltModule>> {
    const found = new Map<string, PrebuiltModule>();
    const listing = readdir(directory, { withFileTypes: true });
    const entries = await (property === "moduleDir"
        ? listing.catch((error: NodeJS.ErrnoException) => {
              throw new RiptidesError("InvalidProperty", {
                  property,
                  reason: `${directory} cannot be read: ${error.code}`,
              });
          })
        : listing.catch(ifMissing([])));
    for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const path = join(directory, name, "riptides.ko");
        if (await isFile(path)) {
            const module = parseKernelModule(await readFile(path));
            if (module?.kernelRelease !== name) {
                throw new RiptidesError("InvalidProperty", {
                    property,
                    reason: module
                        ? `${path} was built for the kernel ${module.kernelRelease}`
                        : `${path} is not a kernel module`,
                    fix: "Name each folder after the kernel release (`uname -r`) its module was built for.",
                });
            }
            found.set(name, { ...(await fileAt(path)), ...module });
        }
    }
    return found;
}

async function localFile(directory: string, name: string): Promise<LocalFile> {
    const path = join(directory, name);
    if (!(await isFile(path))) {
        throw new RiptidesError("InvalidProperty", {
            property: "bundleDir",
            reason: `${directory} holds no ${name}`,
            fix: "Set bundleDir to a complete bundle (in a checkout: `npm run build` makes dist/bundle).",
        });
    }
    return fileAt(path);
}

// The runtime has 90 MB and every node of a program asks for its digest: once per state of the file is enough.
const digests = new Map<string, string>();

async function fileAt(path: string): Promise<LocalFile> {
    const { size, mtimeMs, ino } = await stat(path);
    const key = [path, ino, size, mtimeMs].join(":");
    let sha256 = digests.get(key);
    if (sha256 === undefined) {
        const hash = createHash("sha256");
        await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
        sha256 = hash.digest("hex");
        digests.set(key, sha256);
    }
    return { path, size, sha256 };
}

async function isFile(path: string): Promise<boolean> {
    const found = await stat(path).catch(ifMissing(undefined));
    return found?.isFile() ?? false;
}

function ifMissing<T>(value: T): (error: NodeJS.ErrnoException) => T {
    return (error) => {
        if (error.code === "ENOENT" || error.code === "ENOTDIR") {
            return value;
        }
        throw error;
    };
}
