// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundledHelpers } from "../../lab/helper";

describe("TLS helper of a bundle", () => {
    let directory: string;
    const put = (path: string, text = "") => {
        mkdirSync(join(directory, path, ".."), { recursive: true });
        writeFileSync(join(directory, path), text);
    };

    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "riptides-helper-"));
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    it("is missing where there are only unit and sources, or nothing", () => {
        put("riptides-tls.service");
        put("source/helper/main.c");
        assert.deepEqual(bundledHelpers(directory, "key"), { all: [], stale: [] });
        assert.deepEqual(bundledHelpers(join(directory, "absent"), "key"), { all: [], stale: [] });
    });

    it("is stale when it was built from other sources, or nobody knows from which", () => {
        for (const [architecture, key] of [
            ["aarch64", "other"],
            ["riscv64", undefined],
            ["x86_64", "key"],
        ] as const) {
            put(`${architecture}/riptides-tls`);
            if (key) {
                put(`${architecture}/riptides-tls.sources`, key);
            }
        }
        assert.deepEqual(bundledHelpers(directory, "key"), {
            all: ["aarch64", "riscv64", "x86_64"],
            stale: ["aarch64", "riscv64"],
        });
    });
});
