// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fs, { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { SystemdHost } from "../../agent/host";

describe("agent: host", () => {
    let root: string;
    let host: SystemdHost;
    let changed: () => void;

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "riptides-host-"));
        host = new SystemdHost();
        changed = () => undefined;
    });

    afterEach(() => {
        host.close();
        rmSync(root, { recursive: true, force: true });
    });

    const observe = () => host.observe([join(root, "bin", "tool")], [], () => changed());

    async function change(act: () => void): Promise<void> {
        await new Promise<void>((resolve) => {
            changed = resolve;
            act();
        });
    }

    it("goes on following a program whose directory was swapped for another", async () => {
        mkdirSync(join(root, "bin"));
        observe();
        mkdirSync(join(root, "next"));
        await change(() => {
            renameSync(join(root, "bin"), join(root, "old"));
            renameSync(join(root, "next"), join(root, "bin"));
        });
        observe();

        await change(() => writeFileSync(join(root, "bin", "tool"), "new"));
    });

    it("takes the way of a directory that comes into being", async () => {
        observe();
        await change(() => mkdirSync(join(root, "bin")));
        observe();

        await change(() => writeFileSync(join(root, "bin", "tool"), "new"));
    });

    it("tries again to follow what it could not", () => {
        mkdirSync(join(root, "bin"));
        const full = mock.method(fs, "watch", () => {
            throw new Error("ENOSPC: no space for watches");
        });
        try {
            assert.throws(observe, /ENOSPC/);
            assert.throws(observe, /ENOSPC/);
        } finally {
            full.mock.restore();
        }
        observe();
    });
});
