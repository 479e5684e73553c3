// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { RiptidesError } from "../../api";

const property = "connection.hostKey";

// What we ask a server for, by the type of its key. SHA-1 signatures (ssh-rsa) are not asked for.
const signatures: Record<string, readonly HostKeyAlgorithm[]> = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
    "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
    "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
};

/** Signature algorithms of host keys. */
export type HostKeyAlgorithm =
    | "ssh-ed25519"
    | "ecdsa-sha2-nistp256"
    | "ecdsa-sha2-nistp384"
    | "ecdsa-sha2-nistp521"
    | "rsa-sha2-512"
    | "rsa-sha2-256";

/** The key that a node must show. */
export interface HostKey {
    /** The canonical text: `<type> <base64>` or `SHA256:<base64>`. */
    readonly text: string;
    /** `SHA256:…` as OpenSSH prints it. */
    readonly fingerprint: string;
    /** What to ask the server for, one attempt each: a server with keys of several types shows one of the types asked for. */
    readonly attempts: readonly (readonly HostKeyAlgorithm[])[];
}

/**
 * Reads a line of a public key file, a line of known_hosts or ssh-keyscan (host first), or a `SHA256:` fingerprint.
 * @throws RiptidesError `InvalidProperty`
 */
export function parseHostKey(text: string): HostKey {
    const every = Object.values(signatures);
    const words = text.trim().split(/\s+/);
    const [first] = words;
    if (words.length === 1 && first?.startsWith("SHA256:")) {
        const digest = Buffer.from(first.slice(7), "base64");
        if (digest.length !== 32) {
            throw invalid("the fingerprint has not the length of a SHA-256");
        }
        const fingerprint = printed(digest);
        return { text: fingerprint, fingerprint, attempts: every };
    }
    const at = words.findIndex((word) => Object.hasOwn(signatures, word));
    const type = words[at];
    const encoded = words[at + 1];
    if (at < 0 || at > 1 || type === undefined || encoded === undefined) {
        throw invalid(
            text.includes("PRIVATE KEY")
                ? "this is a private key"
                : "it is neither a public key line nor a fingerprint",
        );
    }
    const blob = Buffer.from(encoded, "base64");
    const nameLength = blob.length > 4 ? blob.readUInt32BE(0) : 0;
    if (blob.subarray(4, 4 + nameLength).toString("latin1") !== type) {
        throw invalid(`what follows ${type} is not a key of that type`);
    }
    return {
        text: `${type} ${encoded}`,
        fingerprint: fingerprintOf(blob),
        // The second attempt can only end in a mismatch; it is there to name the key the server has.
        attempts: [signatures[type]!, every.flat()],
    };
}

/** `SHA256:…` of a key as it goes over the wire. */
export function fingerprintOf(blob: Uint8Array): string {
    return printed(createHash("sha256").update(blob).digest());
}

function printed(digest: Buffer): string {
    return `SHA256:${digest.toString("base64").replace(/=+$/, "")}`;
}

function invalid(reason: string): RiptidesError {
    return new RiptidesError("InvalidProperty", {
        property,
        reason,
        fix: 'Give the line of /etc/ssh/ssh_host_ed25519_key.pub on the node ("ssh-ed25519 AAAA…"), or its "SHA256:…" fingerprint.',
    });
}
