// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, randomBytes } from "node:crypto";
import * as forge from "node-forge";

const day = 86_400_000;

/** A certificate and its key, PEM. */
export interface Pair {
    cert: string;
    key: string;
}

export interface Issue {
    /** Names and addresses of subjectAltName. */
    names?: string[];
    commonName?: string;
    /** Days from now. */
    from?: number;
    to?: number;
    /** Extended key usages besides none. */
    usage?: object;
}

// One key for every certificate of a run: what is tested is what the certificates say.
const pem = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
});
const privateKey = forge.pki.privateKeyFromPem(pem.privateKey);
const publicKey = forge.pki.publicKeyFromPem(pem.publicKey) as forge.pki.rsa.PublicKey;

/** A certificate authority of a test. */
export class Authority {
    readonly cert: string;
    private readonly issuer: forge.pki.CertificateField[];

    constructor(name: string) {
        this.issuer = [{ name: "commonName", value: name }];
        this.cert = this.sign(this.issuer, -1, 30, [
            { name: "basicConstraints", cA: true, critical: true },
            { name: "keyUsage", keyCertSign: true, critical: true },
        ]);
    }

    issue({ names = [], commonName = "server", from = -1, to = 30, usage = { serverAuth: true } }: Issue): Pair {
        const altNames = names.map((name) =>
            /^[0-9.]+$/.test(name) ? { type: 7, ip: name } : { type: 2, value: name },
        );
        const cert = this.sign([{ name: "commonName", value: commonName }], from, to, [
            { name: "basicConstraints", cA: false },
            { name: "keyUsage", digitalSignature: true, critical: true },
            { name: "extKeyUsage", ...usage },
            ...(altNames.length > 0 ? [{ name: "subjectAltName", altNames }] : []),
        ]);
        return { cert, key: pem.privateKey };
    }

    private sign(subject: forge.pki.CertificateField[], from: number, to: number, extensions: object[]): string {
        const certificate = forge.pki.createCertificate();
        certificate.publicKey = publicKey;
        certificate.serialNumber = `01${randomBytes(15).toString("hex")}`;
        certificate.validity.notBefore = new Date(Date.now() + from * day);
        certificate.validity.notAfter = new Date(Date.now() + to * day);
        certificate.setSubject(subject);
        certificate.setIssuer(this.issuer);
        certificate.setExtensions(extensions);
        certificate.sign(privateKey, forge.md.sha256.create());
        return forge.pki.certificateToPem(certificate).replaceAll("\r", "");
    }
}
