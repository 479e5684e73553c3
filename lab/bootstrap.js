// SPDX-License-Identifier: Apache-2.0
// `node lab/bootstrap.js <script.ts> [arguments]`: runs a TypeScript program of this repository on a machine that has
// nothing but Node yet. Plain JavaScript without dependencies: it is what installs them.
"use strict";
const { spawn } = require("node:child_process");
const { createHash } = require("node:crypto");
const { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } = require("node:fs");
const { dirname, join, resolve } = require("node:path");

const root = resolve(__dirname, "..");
const leastNode = [20, 19];

function fail(text) {
    process.stderr.write(`${text}\n`);
    process.exit(1);
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < leastNode[0] || (major === leastNode[0] && minor < leastNode[1])) {
    fail(`Node ${process.version} is too old: ${leastNode.join(".")} or later is needed (${process.execPath})`);
}

const [script, ...args] = process.argv.slice(2);
if (!script) fail("usage: node lab/bootstrap.js <script.ts> [arguments]");

/** npm's lock file decides what is installed; its hash is kept beside what was installed from it. */
function dependencies(then) {
    const lock = createHash("sha256")
        .update(readFileSync(join(root, "package-lock.json")))
        .digest("hex");
    const stamp = join(root, "node_modules", ".cache", "riptides-lock");
    const installed = join(root, "node_modules", ".package-lock.json");
    const record = () => {
        mkdirSync(dirname(stamp), { recursive: true });
        writeFileSync(stamp, lock);
    };
    if (existsSync(installed)) {
        if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return then();
        // Installed by hand after the last change of the lock file: npm's own note is the newer one.
        if (statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs) {
            record();
            return then();
        }
    }
    const start = Date.now();
    const seconds = () => `${Math.round((Date.now() - start) / 1000)} s`;
    process.stderr.write("npm ci ...\n");
    const beat = setInterval(() => process.stderr.write(`npm ci ... ${seconds()}\n`), 10_000);
    // No install script is needed here; one of them would try a vendor's download.
    const npm = spawn("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
        cwd: root,
        stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [npm.stdout, npm.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
    npm.on("error", (error) => fail(`npm cannot be started: ${error.message}`));
    npm.on("close", (code) => {
        clearInterval(beat);
        if (code !== 0) fail(`${output}\nnpm ci ended with status ${code}`);
        record();
        process.stderr.write(`npm ci: done in ${seconds()}\n`);
        then();
    });
}

dependencies(() => {
    const child = spawn(process.execPath, ["--require", "tsx/cjs", resolve(root, script), ...args], {
        cwd: root,
        stdio: "inherit",
    });
    // The terminal sends Ctrl-C to both; the program decides how to end. Other signals reach this process alone.
    process.on("SIGINT", () => undefined);
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => fail(`${script} cannot be started: ${error.message}`));
    child.on("close", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
});
