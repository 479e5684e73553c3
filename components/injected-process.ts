// SPDX-License-Identifier: Apache-2.0
import type * as pulumi from "@pulumi/pulumi";
import { RiptidesError } from "../api";
import { checked, type DeepInput } from "./check";
import type { HostNodeAgent } from "./host-node-agent";
import type { WorkloadProcess } from "./process-selector";

type Facts = { [K in keyof WorkloadProcess]?: string | number };

/** For which processes the accesses of a program inject, by node. All inject at one host. */
const injected = new WeakMap<HostNodeAgent, { access: string; facts: Facts }[]>();

/**
 * Refuses an access that injects for the same process as an earlier one of the program: the node would refuse one of the
 * two bindings. That is certain when one has all the facts of the other; facts that differ are left to the node.
 * @param host where they inject
 * @throws RiptidesError `InjectionClash`, at once or as soon as the facts are known
 */
export function injectFor(
    access: string,
    node: HostNodeAgent,
    process: WorkloadProcess,
    host: string,
): pulumi.Output<void> {
    return checked<Facts, void>(process as DeepInput<Facts>, (facts) => {
        const others = injected.get(node) ?? [];
        injected.set(node, others);
        const other = others.find((one) => hasAll(one.facts, facts) || hasAll(facts, one.facts));
        if (other) {
            throw new RiptidesError("InjectionClash", {
                property: "process",
                reason: `OpenAIAccess ${JSON.stringify(other.access)} injects for the same process of the node at ${host}`,
                fix: "Give the two processes facts that differ, or one of the accesses deliver: { file: true }.",
            });
        }
        others.push({ access, facts });
    });
}

function hasAll(narrow: Facts, wide: Facts): boolean {
    const keys = Object.keys(wide) as (keyof Facts)[];
    return keys.every((key) => wide[key] === undefined || narrow[key] === wide[key]);
}
