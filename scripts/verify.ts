// SPDX-License-Identifier: Apache-2.0
// `npm run verify`: format, lint with import arrows, types, generated files, licence lines, Go vet, and (unless --without-tests) the unit tests.
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(__dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);

interface Step {
    name: string;
    run: () => boolean;
}

function command(name: string, program: string, args: string[], cwd = root): Step {
    return { name, run: () => spawnSync(program, args, { cwd, stdio: "inherit" }).status === 0 };
}

/** Every source file starts with its licence; the kernel module's is GPL-2.0-only, all else Apache-2.0. */
const licences: Step = {
    name: "licences",
    run: () => {
        const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" })
            .split("\0")
            .filter(Boolean);
        const wrong = files
            .filter((file) =>
                /\.(ts|js|mjs|go|c|h|sh|md|service)$|(^|\/)(Kbuild|Makefile|dkms\.conf)$|^\.ci\/run$/.test(file),
            )
            .filter((file) => {
                const wanted = file.startsWith("kmod/") ? "GPL-2.0-only" : "Apache-2.0";
                const head = readFileSync(join(root, file), "utf8").slice(0, 300);
                return !new RegExp(`SPDX-License-Identifier: \\(?${wanted}`).test(head);
            });
        wrong.forEach((file) => console.error(`${file}: no SPDX line of its licence`));
        return wrong.length === 0;
    },
};

/** A Go file that gofmt would change is listed by `gofmt -l`. */
const gofmt: Step = {
    name: "gofmt",
    run: () => {
        const listed = execFileSync("gofmt", ["-l", "engine", "lab/simulator", "bench", "tests/kernel/server"], {
            cwd: root,
            encoding: "utf8",
        }).trim();
        console.error(listed);
        return listed === "";
    },
};

const steps: Step[] = [
    command("format", bin("prettier"), ["--check", "--log-level=warn", "."]),
    gofmt,
    licences,
    command("lint", bin("eslint"), ["--max-warnings=0", "."]),
    command("types", bin("tsc"), ["--noEmit", "-p", "."]),
    command("generated files", process.execPath, ["--require", "tsx/cjs", "scripts/generate.ts", "--check"]),
    command("vet engine", "go", ["vet", "./..."], join(root, "engine")),
    command("vet bench", "go", ["vet", "./..."], join(root, "bench", "engine")),
    command("vet simulator", "go", ["vet", "./..."], join(root, "lab", "simulator")),
    command("vet wire servers", "go", ["vet", "./..."], join(root, "tests", "kernel", "server")),
];
if (!process.argv.includes("--without-tests")) {
    steps.push(command("unit tests", process.execPath, ["--require", "tsx/cjs", "tests/run.ts", "fast"]));
}

const failed = steps.filter((step) => {
    console.log(`- ${step.name}`);
    return !step.run();
});
console.log(failed.length === 0 ? "verify: clean" : `verify: failed: ${failed.map((step) => step.name).join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);
