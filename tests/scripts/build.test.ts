// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bundle } from "../../scripts/build/bundle";
import { Stamps } from "../../scripts/build/stamp";

describe("scripts/build", () => {
    let root: string;
    const put = (path: string, text: string) => {
        mkdirSync(join(root, path, ".."), { recursive: true });
        writeFileSync(join(root, path), text);
    };

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "riptides-build-"));
        put("source", "one");
        put("dist/output", "made of one");
        new Stamps(root, join(root, "dist")).record("target", "1", ["source"], ["dist/output"]);
    });
    afterEach(() => rmSync(root, { recursive: true }));

    const isCurrent = (recipe = "1", inputs?: string[]) =>
        new Stamps(root, join(root, "dist")).isCurrent("target", recipe, inputs);

    it("leaves alone what is made of the same content, even when it was written again", () => {
        put("source", "one");
        assert.equal(isCurrent(), true);
    });

    for (const [what, change] of [
        ["an input has other content", () => put("source", "two")],
        ["an input is gone", () => rmSync(join(root, "source"))],
        ["an output was changed", () => put("dist/output", "spoiled")],
        ["an output is gone", () => rmSync(join(root, "dist/output"))],
        ["everything made is gone", () => rmSync(join(root, "dist"), { recursive: true })],
    ] as const) {
        it(`makes again when ${what}`, () => {
            change();
            assert.equal(isCurrent(), false);
        });
    }

    it("makes again for another recipe, and for an input that came in", () => {
        assert.equal(isCurrent("2"), false);
        assert.equal(isCurrent("1", ["source", "new"]), false);
    });

    it("bundles one file that starts with its banner, and a lazily loaded package beside it", async () => {
        put(
            "main.ts",
            `import("ssh2").then((m) => console.log(typeof m.default.Client, Object.keys(require.cache).length));`,
        );
        symlinkSync(resolve(__dirname, "../../node_modules"), join(root, "node_modules"));
        const { outputs } = await bundle(root, "main.ts", "out/main.js", "// program 1.0.0");
        assert.deepEqual(outputs.filter((path) => path.endsWith(".js")).sort(), ["out/main.js", "out/ssh2.js"]);
        assert.deepEqual(readdirSync(join(root, "out")).sort(), outputs.map((path) => path.slice(4)).sort());
        rmSync(join(root, "node_modules"));
        const printed = execFileSync(process.execPath, [join(root, "out/main.js")], { cwd: "/", encoding: "utf8" });
        assert.equal(printed, "function 2\n");
    });
});
