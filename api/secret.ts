// SPDX-License-Identifier: Apache-2.0
import { inspect } from "node:util";

const printed = "[secret]";

/** A value that must not be printed. Every way of turning it into text gives `[secret]`; {@link Secret.reveal} is the one way out. */
export class Secret<T = string> {
    readonly #value: T;

    constructor(value: T) {
        this.#value = value;
    }

    /** The value itself. Each call is a place to review. */
    reveal(): T {
        return this.#value;
    }

    toString(): string {
        return printed;
    }

    toJSON(): string {
        return printed;
    }

    [inspect.custom](): string {
        return printed;
    }
}
