// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "./failure";

/** One selector as a user writes it: keys are ANDed, a list value means any of its members. */
export type SelectorLike = Record<string, string | number | (string | number)[]>;

/** What a selector key says about a process, and how sure the kernel can be of it. */
interface SelectorKey {
    /** `true` when an unprivileged process can take the value on by itself. */
    spoofable: boolean;
    check?: (value: string) => boolean;
}

const absolutePath = (value: string) => value.startsWith("/") && !value.split("/").includes("..");
const wholeNumber = (value: string) => /^\d{1,10}$/.test(value);

/** The selector keys of this version. */
export const selectorKeys = {
    "process:name": { spoofable: true, check: (value) => value.length > 0 && Buffer.byteLength(value) <= 15 },
    "process:binary:path": { spoofable: false, check: absolutePath },
    "process:binary:hash": { spoofable: false, check: (value) => /^sha256:[0-9a-f]{64}$/.test(value) },
    "process:uid": { spoofable: false, check: wholeNumber },
    "process:gid": { spoofable: false, check: wholeNumber },
    "systemd:unit": { spoofable: false, check: (value) => /^[A-Za-z0-9:_.\\@-]+\.(service|scope|slice)$/.test(value) },
} as const satisfies Record<string, SelectorKey>;

/** A key of {@link selectorKeys}. */
export type SelectorKeyName = keyof typeof selectorKeys;

/** A selector with one value a key: a conjunction that the agent turns into kernel-checked facts. */
export type Selector = Partial<Record<SelectorKeyName, string>>;

/**
 * Checks selectors and expands lists: each result is one conjunction, the results are alternatives.
 * @throws RiptidesError `InvalidSelector` naming the key.
 */
export function parseSelectors(selectors: readonly SelectorLike[], property = "spec.selectors"): Selector[] {
    if (selectors.length === 0) {
        throw new RiptidesError("InvalidSelector", {
            property,
            reason: "there is no selector, so no process could ever match",
        });
    }
    return selectors.flatMap((selector, index) => expand(selector, `${property}[${index}]`));
}

function expand(selector: SelectorLike, property: string): Selector[] {
    const keys = Object.keys(selector);
    if (keys.length === 0) {
        throw new RiptidesError("InvalidSelector", { property, reason: "an empty selector would match every process" });
    }
    return keys.reduce<Selector[]>(
        (expanded, key) => {
            const values = [selector[key]!].flat().map(String);
            const known = (selectorKeys as Record<string, SelectorKey>)[key];
            if (!known) {
                throw new RiptidesError("InvalidSelector", {
                    property,
                    reason: `${JSON.stringify(key)} is not a selector key of this version`,
                    fix: `Use one of ${Object.keys(selectorKeys).join(", ")}.`,
                });
            }
            const bad = values.find((value) => known.check && !known.check(value));
            if (bad !== undefined || values.length === 0) {
                throw new RiptidesError("InvalidSelector", {
                    property: `${property}.${key}`,
                    reason: `${JSON.stringify(bad ?? [])} is not a value for it`,
                });
            }
            return expanded.flatMap((partial) => values.map((value) => ({ ...partial, [key]: value })));
        },
        [{}],
    );
}

/** `true` when every key of the conjunction can be forged by an unprivileged process of the node. */
export function isSpoofable(selector: Selector): boolean {
    return (Object.keys(selector) as SelectorKeyName[]).every((key) => selectorKeys[key].spoofable);
}
