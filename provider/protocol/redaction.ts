// SPDX-License-Identifier: Apache-2.0
import { childPath } from "./path";
import { isMap, type Properties, type Value } from "./value";

// Shorter texts would blot out ordinary words; no secret of ours is that short.
const shortest = 6;

/** The last guard against a secret in a message: every secret text that came over the wire is blotted out of what goes back as text. */
export class Redaction {
    readonly #texts = new Set<string>();

    /** Remembers every text at or below a secret path. */
    learn({ values, secrets }: Properties): void {
        if (secrets.size > 0) {
            this.#walk(values, "", false, secrets);
        }
    }

    /** The message without the secrets. */
    clean(message: string): string {
        let text = message;
        // The longest first: the rest of a text that holds another one would stay.
        for (const secret of [...this.#texts].sort((a, b) => b.length - a.length)) {
            text = text.replaceAll(secret, "[secret]");
        }
        return text;
    }

    #walk(value: Value, path: string, inside: boolean, secrets: ReadonlySet<string>): void {
        const secret = inside || secrets.has(path);
        if (typeof value === "string") {
            if (secret && value.length >= shortest) {
                this.#texts.add(value).add(JSON.stringify(value).slice(1, -1));
            }
        } else if (Array.isArray(value)) {
            value.forEach((item, index) => this.#walk(item, childPath(path, index), secret, secrets));
        } else if (isMap(value)) {
            for (const [key, item] of Object.entries(value)) {
                this.#walk(item, childPath(path, key), secret, secrets);
            }
        }
    }
}
