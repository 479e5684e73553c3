// SPDX-License-Identifier: Apache-2.0
import { childPath, computed, isMap, type Changes, type Value } from "../../../provider/protocol";
import type { KubernetesObject } from "./object";

/**
 * What new inputs change of a live object that was pruned to the old inputs. Lists are compared item by item.
 * @param replaces says whether a change at a path replaces the object
 */
export function compare(live: KubernetesObject, news: KubernetesObject, replaces: (path: string) => boolean): Changes {
    const changes: Changes = new Map();
    compareMembers("", live, news);
    return changes;

    function compareMembers(path: string, old: KubernetesObject, now: KubernetesObject): void {
        for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
            compareValues(childPath(path, key), old[key], now[key]);
        }
    }

    function compareValues(path: string, old: Value | undefined, now: Value | undefined): void {
        if (isMap(old) && isMap(now)) {
            compareMembers(path, old, now);
        } else if (Array.isArray(old) && Array.isArray(now)) {
            for (let index = 0; index < Math.max(old.length, now.length); index++) {
                compareValues(childPath(path, index), old[index], now[index]);
            }
        } else if (now === undefined || now === null) {
            // A delete compares inputs: the live object may have more.
            changes.set(path, { kind: "delete", replace: replaces(path), input: true });
        } else if (old === undefined || old === null) {
            changes.set(path, { kind: "add", replace: replaces(path), input: false });
        } else if (now === computed || now !== old) {
            changes.set(path, { kind: "update", replace: replaces(path), input: false });
        }
    }
}
