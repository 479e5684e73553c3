// SPDX-License-Identifier: Apache-2.0
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The checkout this lab belongs to. */
export const repository = resolve(__dirname, "..");

/** `$RIPTIDES_CACHE` or `~/.cache/pulumi-riptides`: tools, images, build roots. Safe to delete while no lab runs. */
export function cacheDirectory(): string {
    return resolve(process.env.RIPTIDES_CACHE || join(homedir(), ".cache", "pulumi-riptides"));
}

const nameForm = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** `$RIPTIDES_LAB` or "default". */
export function defaultName(): string {
    return process.env.RIPTIDES_LAB || "default";
}

/** `<repository>/.lab/<name>`: everything one lab writes. */
export function labDirectory(name: string): string {
    if (!nameForm.test(name)) {
        throw new Error(
            `lab name "${name}": must match ${nameForm.source}; correct $RIPTIDES_LAB or the name given to up()`,
        );
    }
    return join(repository, ".lab", name);
}
