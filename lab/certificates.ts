// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as forge from "node-forge";

/** How the guest reaches this machine's loopback (QEMU's user network). */
export const hostFromGuest = "10.0.2.2";

const loopback = ["127.0.0.1", "localhost", hostFromGuest];
const oneDayMs = 86_400_000;
const lifeMs = 90 * oneDayMs;

/** Files of one certificate and its key, PEM. */
export interface Certificate {
    certFile: string;
    keyFile: string;
}

/** The lab's own certificate authority, made anew for every lab. Its key stays in memory: nothing can be issued later. */
export class Authority {
    readonly caFile: string;
    readonly caPem: string;
    private readonly key: forge.pki.rsa.PrivateKey;
    private readonly subject: forge.pki.CertificateField[];

    constructor(private readonly directory: string) {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        this.subject = [{ name: "commonName", value: `Riptides lab ${randomBytes(4).toString("hex")}` }];
        const pair = keyPair();
        this.key = pair.privateKey;
        this.caPem = this.sign(pair.publicKey, this.subject, [
            { name: "basicConstraints", cA: true, critical: true },
            { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
            { name: "subjectKeyIdentifier" },
        ]);
        this.caFile = join(directory, "ca.crt");
        writeFileSync(this.caFile, this.caPem);
    }

    /** A server certificate for loopback as host and guest know it, plus the names given; `client` makes it a client's too. */
    issue(name: string, more: string[] = [], client = false): Certificate {
        const pair = keyPair();
        const altNames = [...loopback, ...more].map((host) =>
            /^[0-9.]+$/.test(host) ? { type: 7, ip: host } : { type: 2, value: host },
        );
        const pem = this.sign(
            pair.publicKey,
            [{ name: "commonName", value: name }],
            [
                { name: "basicConstraints", cA: false },
                { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
                { name: "extKeyUsage", serverAuth: true, clientAuth: client },
                { name: "subjectAltName", altNames },
                { name: "subjectKeyIdentifier" },
            ],
        );
        const files = { certFile: join(this.directory, `${name}.crt`), keyFile: join(this.directory, `${name}.key`) };
        writeFileSync(files.certFile, pem);
        writeFileSync(files.keyFile, forge.pki.privateKeyToPem(pair.privateKey), { mode: 0o600 });
        return files;
    }

    private sign(
        publicKey: forge.pki.rsa.PublicKey,
        subject: forge.pki.CertificateField[],
        extensions: object[],
    ): string {
        const certificate = forge.pki.createCertificate();
        certificate.publicKey = publicKey;
        // A serial number is positive: its first bit stays clear.
        certificate.serialNumber = `01${randomBytes(15).toString("hex")}`;
        certificate.validity.notBefore = new Date(Date.now() - oneDayMs);
        certificate.validity.notAfter = new Date(Date.now() + lifeMs);
        certificate.setSubject(subject);
        certificate.setIssuer(this.subject);
        certificate.setExtensions(extensions);
        certificate.sign(this.key, forge.md.sha256.create());
        return forge.pki.certificateToPem(certificate).replaceAll("\r", "");
    }
}

/** OpenSSL makes the key: forge's own search for primes takes seconds. */
function keyPair(): { privateKey: forge.pki.rsa.PrivateKey; publicKey: forge.pki.rsa.PublicKey } {
    const pair = generateKeyPairSync("rsa", {
        modulusLength: 2048,
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs1", format: "pem" },
    });
    return {
        privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
        publicKey: forge.pki.publicKeyFromPem(pair.publicKey) as forge.pki.rsa.PublicKey,
    };
}
