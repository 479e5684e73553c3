// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TrustDirectory } from "../../agent/trust-stores";

describe("agent: trust stores", () => {
    let above: string;
    let directory: string;

    beforeEach(() => {
        above = mkdtempSync(join(tmpdir(), "riptides-trust-"));
        directory = join(above, "trust");
    });

    afterEach(() => rmSync(above, { recursive: true }));

    it("are files that every user can read, whatever the umask", () => {
        const before = process.umask(0o077);
        try {
            new TrustDirectory(directory).keep({ name: "ab12", pem: "certificates" });
        } finally {
            process.umask(before);
        }
        assert.equal(readFileSync(join(directory, "ab12.pem"), "utf8"), "certificates");
        assert.equal(statSync(join(directory, "ab12.pem")).mode & 0o777, 0o644);
        assert.equal(statSync(directory).mode & 0o777, 0o755);
        assert.deepEqual(readdirSync(directory), ["ab12.pem"]);
    });

    it("are removed when no table names them, those of an earlier agent too", () => {
        const earlier = new TrustDirectory(directory);
        earlier.keep({ name: "old", pem: "1" });
        earlier.keep({ name: "kept", pem: "2" });

        const stores = new TrustDirectory(directory);
        stores.keep({ name: "new", pem: "3" });
        stores.prune(new Set(["kept", "new"]));

        assert.deepEqual(readdirSync(directory).sort(), ["kept.pem", "new.pem"]);
        stores.prune(new Set());
        assert.deepEqual(readdirSync(directory), []);
    });

    it("make no directory on a node that injects nothing", () => {
        new TrustDirectory(directory).prune(new Set());
        assert.deepEqual(readdirSync(above), []);
    });
});
