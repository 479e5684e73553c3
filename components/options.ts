// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";

const lost = ["ignoreChanges", "replaceOnChanges", "retainOnDelete", "additionalSecretOutputs"] as const;

// Components of this package register without inputs: the engine would show each changed input a second time, next to
// the resource that it changes, and keep secrets among them in the state.

/** Warns of resource options that Pulumi takes for a component and hands to none of its children. */
export function warnOfLostOptions(
    component: pulumi.ComponentResource,
    opts: pulumi.ComponentResourceOptions = {},
): void {
    const given = lost.filter((name) => (opts as Record<string, unknown>)[name] !== undefined);
    if (given.length > 0) {
        void pulumi.log.warn(
            `${given.join(", ")} of a component reaches none of its resources; set it on them with transforms`,
            component,
        );
    }
}

/** The timeouts of a component, for the child that waits. */
export function waiting(
    opts: pulumi.ComponentResourceOptions | undefined,
): Pick<pulumi.CustomResourceOptions, "customTimeouts"> {
    return opts?.customTimeouts === undefined ? {} : { customTimeouts: opts.customTimeouts };
}
