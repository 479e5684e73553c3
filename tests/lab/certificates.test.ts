// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "../../lab/certificates";

describe("the lab's authority", () => {
    it("issues server certificates for loopback as host and guest know it", () => {
        const directory = mkdtempSync(join(tmpdir(), "riptides-ca-"));
        try {
            const authority = new Authority(directory);
            const files = authority.issue("simulator", ["api.openai.com"]);
            const ca = new X509Certificate(authority.caPem);
            const certificate = new X509Certificate(readFileSync(files.certFile));
            assert.ok(ca.ca && ca.verify(ca.publicKey));
            assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey) && !certificate.ca);
            for (const host of ["localhost", "api.openai.com"]) assert.equal(certificate.checkHost(host), host);
            for (const ip of ["127.0.0.1", "10.0.2.2"]) assert.equal(certificate.checkIP(ip), ip);
            assert.equal(certificate.checkHost("openai.com"), undefined);
            assert.equal(statSync(files.keyFile).mode & 0o777, 0o600);
            assert.throws(() => readFileSync(join(directory, "ca.key")), /ENOENT/);
        } finally {
            rmSync(directory, { recursive: true });
        }
    });
});
