// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import type { ServiceSpec } from "../../api";
import { CustomObject, type ObjectArgs } from "./custom-object";

export type ServiceArgs = ObjectArgs<ServiceSpec>;

/** A destination, for example `api.openai.com:443`; its labels are what injection selectors match. */
export class Service extends CustomObject<ServiceSpec> {
    /** Reads an existing object. @param id `<namespace>/<name>` */
    static get(name: string, id: pulumi.Input<pulumi.ID>, opts?: pulumi.CustomResourceOptions): Service {
        return new Service(name, undefined, { ...opts, id });
    }

    constructor(name: string, args: ServiceArgs | undefined, opts?: pulumi.CustomResourceOptions) {
        super("Service", name, args, opts);
    }
}
