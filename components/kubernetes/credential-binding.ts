// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { checkInjection, type CredentialBindingSpec, type CredentialBindingStatus } from "../../api";
import { checked, field, requireArguments } from "../check";
import { CustomObject, type ObjectArgs } from "./custom-object";

export type CredentialBindingArgs = ObjectArgs<CredentialBindingSpec>;

/**
 * Gives the processes of a workload a credential. `status` is that of the moment of the last update or refresh;
 * {@link BindingStatus} waits for the agent's report.
 */
export class CredentialBinding extends CustomObject<CredentialBindingSpec, CredentialBindingStatus> {
    /** Reads an existing object. @param id `<namespace>/<name>` */
    static get(name: string, id: pulumi.Input<pulumi.ID>, opts?: pulumi.CustomResourceOptions): CredentialBinding {
        return new CredentialBinding(name, undefined, { ...opts, id });
    }

    constructor(name: string, args: CredentialBindingArgs | undefined, opts?: pulumi.CustomResourceOptions) {
        if (opts?.id === undefined) {
            checkPropagation(args);
        }
        super("CredentialBinding", name, args, opts);
    }
}

function checkPropagation(args: CredentialBindingArgs | undefined): void {
    const { spec } = requireArguments("CredentialBinding", args, ["spec"]);
    const propagation = field<CredentialBindingSpec, "propagation">(spec, "propagation");
    checked<CredentialBindingSpec["propagation"], void>(propagation, (asked) => {
        if (asked?.injection) {
            checkInjection(asked.injection, "spec.propagation.injection");
        }
    });
}
