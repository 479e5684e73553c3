// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import type { CredentialBindingSpec, CredentialBindingStatus } from "../../api";
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
        super("CredentialBinding", name, args, opts);
    }
}
