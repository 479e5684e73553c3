// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from "node:crypto";
import { RiptidesError, Secret } from "../../api";

const pattern = /^hmac-sha256:([\w-]{22}):([\w-]{43})$/;

/**
 * Stand-ins for secrets that must not enter the state. `check` gives the engine a stand-in, `hmac-sha256:<salt>:<HMAC(salt, secret)>`;
 * create and update, in the same process, change it back. The stand-in is equal as long as the secret is, so that the
 * ordinary comparison of inputs notices a change; it is marked secret itself, and its salt is 128 random bits of its own.
 */
export class WriteOnly {
    readonly #secrets = new Map<string, Secret>();

    /**
     * The stand-in of a secret.
     * @param previous the stand-in in the state: given back when it stands for the same secret.
     * @param seed the engine's seed, so that the previews and updates of one plan agree on the salt.
     */
    seal(secret: string, previous: unknown, seed: Uint8Array, place: string): string {
        if (secret === previous && pattern.test(secret)) {
            return secret;
        }
        const old = typeof previous === "string" ? pattern.exec(previous) : null;
        const kept = old && standIn(old[1]!, secret);
        const salt =
            seed.length > 0 ? createHmac("sha256", seed).update(place).digest().subarray(0, 16) : randomBytes(16);
        const text = kept && kept === previous ? kept : standIn(salt.toString("base64url"), secret);
        this.#secrets.set(text, new Secret(secret));
        return text;
    }

    /** The secret of a stand-in. @throws RiptidesError when this process never saw it */
    reveal(text: string, property: string): Secret {
        const secret = this.#secrets.get(text);
        if (!secret) {
            throw new RiptidesError("MissingProperty", {
                property,
                reason: "the value is write-only, and this plugin process has not seen it: the state holds a hash of it",
                fix: "Set it in the program and run again.",
            });
        }
        return secret;
    }
}

function standIn(salt: string, secret: string): string {
    const digest = createHmac("sha256", Buffer.from(salt, "base64url")).update(secret).digest("base64url");
    return `hmac-sha256:${salt}:${digest}`;
}
