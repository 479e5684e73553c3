// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import type { CredentialSourceSpec } from "../../api";
import { CustomObject, type ObjectArgs } from "./custom-object";

export type CredentialSourceArgs = ObjectArgs<CredentialSourceSpec>;

/** Where a credential comes from: a path of OpenBao or Vault. */
export class CredentialSource extends CustomObject<CredentialSourceSpec> {
    /** Reads an existing object. @param id `<namespace>/<name>` */
    static get(name: string, id: pulumi.Input<pulumi.ID>, opts?: pulumi.CustomResourceOptions): CredentialSource {
        return new CredentialSource(name, undefined, { ...opts, id });
    }

    constructor(name: string, args: CredentialSourceArgs | undefined, opts?: pulumi.CustomResourceOptions) {
        super("CredentialSource", name, args, opts);
    }
}
