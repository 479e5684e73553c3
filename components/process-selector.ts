// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { parseSelectors, RiptidesError, type SelectorKeyName } from "../api";
import { checked, missing } from "./check";

/** Facts of a process that the kernel checks at every read. All that are given must hold. */
export interface WorkloadProcess {
    /** Absolute path of the executable on the node. */
    binaryPath?: pulumi.Input<string>;
    /** `sha256:<64 hexadecimal digits>` of the executable. */
    binaryHash?: pulumi.Input<string>;
    /** systemd unit, for example `ai-agent.service`. */
    systemdUnit?: pulumi.Input<string>;
    uid?: pulumi.Input<number>;
    gid?: pulumi.Input<number>;
    /** Process name. Any process can take it on: alone it gives a warning. */
    name?: pulumi.Input<string>;
}

const keys: Record<keyof WorkloadProcess, SelectorKeyName> = {
    binaryPath: "process:binary:path",
    binaryHash: "process:binary:hash",
    systemdUnit: "systemd:unit",
    uid: "process:uid",
    gid: "process:gid",
    name: "process:name",
};

/** The selector of a WorkloadIdentity for a process. @throws RiptidesError when no fact is given. */
export function processSelector(process: WorkloadProcess): Record<string, pulumi.Input<string | number>> {
    const known = Object.keys(keys) as (keyof WorkloadProcess)[];
    const given = known.filter((key) => process[key] !== undefined);
    if (given.length === 0) {
        throw missing("process", "no fact is given, so every process would match", `Give one of ${known.join(", ")}.`);
    }
    return Object.fromEntries(
        given.map((key) => [
            keys[key],
            checked<string | number, string | number>(process[key]!, (value) => checkedFact(key, value)),
        ]),
    );
}

function checkedFact(key: keyof WorkloadProcess, value: string | number): string | number {
    try {
        parseSelectors([{ [keys[key]]: value }]);
        return value;
    } catch (error) {
        // The selector is made by us: name the property that the user wrote.
        if (error instanceof RiptidesError) {
            throw new RiptidesError(error.code, { property: `process.${key}`, reason: error.reason, fix: error.fix });
        }
        throw error;
    }
}
