// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import type { CredentialBindingStatus } from "../../api";
import { requireArguments } from "../check";
import { resourceOptions } from "./options";

/** A file of a binding on its node. */
export type CredentialFile = NonNullable<NonNullable<CredentialBindingStatus["sysfs"]>["files"]>[number];

/** Where a binding's credential is injected. */
export type Injection = Pick<NonNullable<CredentialBindingStatus["injection"]>, "services">;

export interface BindingStatusArgs {
    namespace: pulumi.Input<string>;
    /** Name of the CredentialBinding. */
    name: pulumi.Input<string>;
    /** Any value; the status is waited for again when it changes. */
    generation?: pulumi.Input<string | number>;
    /** How long a FAILED status may last before `up` ends with it, for example `30s` (the default). */
    failureGrace?: pulumi.Input<string | number>;
    /** How long to wait for OK, for example `5m`. The option `customTimeouts` goes before it. */
    timeout?: pulumi.Input<string | number>;
}

/** Waits for the agent's report on a CredentialBinding and gives it as outputs (`riptides:index:BindingStatus`). */
export class BindingStatus extends pulumi.CustomResource {
    declare public readonly state: pulumi.Output<"OK" | "FAILED">;
    declare public readonly message: pulumi.Output<string | undefined>;
    /** One word of docs/errors.md. */
    declare public readonly reason: pulumi.Output<string | undefined>;
    /** None when the credential is only injected. */
    declare public readonly files: pulumi.Output<CredentialFile[]>;
    /** Undefined when the credential is only a file. */
    declare public readonly injection: pulumi.Output<Injection | undefined>;
    /** Workload ID of the agent that reported. */
    declare public readonly agent: pulumi.Output<string | undefined>;

    constructor(name: string, args: BindingStatusArgs, opts?: pulumi.CustomResourceOptions) {
        requireArguments("BindingStatus", args, ["namespace", "name"]);
        const inputs = {
            ...args,
            state: undefined,
            message: undefined,
            reason: undefined,
            files: undefined,
            injection: undefined,
            agent: undefined,
        };
        super("riptides:index:BindingStatus", name, inputs, resourceOptions(opts));
    }
}
