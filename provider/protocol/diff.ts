// SPDX-License-Identifier: Apache-2.0
import { childPath, pathCovers } from "./path";
import { Computed, isMap, type PropertyMap, type Value } from "./value";

/** What happens to a property. */
export type ChangeKind = "add" | "delete" | "update";

/** One changed property. */
export interface Change {
    kind: ChangeKind;
    /** The resource must be replaced for it. */
    replace: boolean;
    /** Old and new are inputs (the usual case); `false` for a change of the live state without one of the inputs. */
    input: boolean;
}

/** Changed properties by path (`a.b[0]`). */
export type Changes = Map<string, Change>;

/** Options of {@link diffProperties}. */
export interface DiffOptions {
    /** Paths the user ignores; `*` stands for one step. */
    ignore?: readonly string[];
    /** Says whether a change at the path replaces the resource. */
    replaces?: (path: string) => boolean;
    /** Equality of leaves, for values with more than one notation. Default: identity. */
    equal?: (path: string, old: Value, now: Value) => boolean;
}

/** Compares old with new properties, leaf by leaf. A computed new value differs from every known one. */
export function diffProperties(olds: PropertyMap, news: PropertyMap, options: DiffOptions = {}): Changes {
    const changes: Changes = new Map();
    const report = (path: string, kind: ChangeKind): void => {
        if (!options.ignore?.some((pattern) => pathCovers(pattern, path))) {
            changes.set(path, { kind, replace: options.replaces?.(path) ?? false, input: true });
        }
    };
    compareMaps("", olds, news);
    return changes;

    function compareMaps(path: string, old: PropertyMap, now: PropertyMap): void {
        for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
            compare(childPath(path, key), member(old, key), member(now, key));
        }
    }

    function compare(path: string, old: Value | undefined, now: Value | undefined): void {
        if (absent(old) || absent(now)) {
            if (!absent(now)) {
                report(path, "add");
            } else if (!absent(old)) {
                report(path, "delete");
            }
        } else if (isMap(old) && isMap(now)) {
            compareMaps(path, old, now);
        } else if (Array.isArray(old) && Array.isArray(now)) {
            for (let index = 0; index < Math.max(old.length, now.length); index++) {
                compare(childPath(path, index), old[index], now[index]);
            }
        } else if (now instanceof Computed || !(Object.is(old, now) || options.equal?.(path, old!, now!))) {
            report(path, "update");
        }
    }
}

// Engine and SDKs drop null members on the way, so null and absent are one thing.
function absent(value: Value | undefined): boolean {
    return value === undefined || value === null;
}

function member(map: PropertyMap, key: string): Value | undefined {
    return Object.prototype.hasOwnProperty.call(map, key) ? map[key] : undefined;
}
