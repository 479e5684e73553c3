// SPDX-License-Identifier: Apache-2.0
import { messageOf, RiptidesError } from "../../api";
import { diffProperties, type PropertyMap } from "../protocol";
import { secretPaths, type Table } from "../table";

/** Says whether a request failed because nothing is mounted at its path: what was there is gone with the mount. */
export function isMountMissing(error: unknown): boolean {
    return error instanceof RiptidesError && /route entry not found/.test(messageOf(error));
}

/**
 * An object that exists is taken over when it is the wanted one, so that an interrupted `up` can go on; never overwritten.
 * @throws RiptidesError naming the first field that differs and the import command
 */
export function sameAsWanted(table: Table, id: string, live: PropertyMap, wanted: PropertyMap): void {
    const secrets = new Set(secretPaths(table.inputs));
    const readable = (values: PropertyMap) =>
        Object.fromEntries(Object.entries(values).filter(([name]) => !secrets.has(name)));
    const [first] = diffProperties(readable(live), readable(wanted)).keys();
    if (first !== undefined) {
        throw new RiptidesError("InvalidProperty", {
            property: first,
            reason: `${id} exists already and has ${JSON.stringify(live[first] ?? null)} here, not ${JSON.stringify(wanted[first] ?? null)}`,
            fix: `Import it (pulumi import ${table.token} <name> ${id}), delete it, choose another name, or write the same values.`,
        });
    }
}
