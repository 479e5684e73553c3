// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { requireArguments } from "../check";
import { resourceOptions } from "./options";

export interface RoleArgs {
    /** Path of the engine's mount. */
    mount: pulumi.Input<string>;
    /** Name of the role. */
    name: pulumi.Input<string>;
    /** OpenAI project in which the keys' service accounts are made, `proj_…`. */
    projectId: pulumi.Input<string>;
    /** Go template of the service accounts' names. Default `vault-{{.RoleName}}-{{.RandomSuffix}}`. */
    serviceAccountNameTemplate?: pulumi.Input<string>;
    serviceAccountDescription?: pulumi.Input<string>;
    /** Life of a key: `"15m"` or seconds. Default `1h`. */
    ttl?: pulumi.Input<string | number>;
    /** Longest life of a key: `"1h"` or seconds. Default `24h`. */
    maxTtl?: pulumi.Input<string | number>;
    /** Most keys of the role that may live at once. Left out: no limit. */
    maxLive?: pulumi.Input<number>;
}

/** A role of an OpenAI secrets engine: which project its keys are for and how long they live (`riptides:openai:Role`). */
export class Role extends pulumi.CustomResource {
    declare public readonly mount: pulumi.Output<string>;
    declare public readonly name: pulumi.Output<string>;
    declare public readonly projectId: pulumi.Output<string>;
    declare public readonly serviceAccountNameTemplate: pulumi.Output<string>;
    declare public readonly serviceAccountDescription: pulumi.Output<string>;
    declare public readonly ttl: pulumi.Output<string>;
    declare public readonly maxTtl: pulumi.Output<string>;
    declare public readonly maxLive: pulumi.Output<number | undefined>;
    /** `<mount>/creds/<name>`: the path that gives a key. */
    declare public readonly credentialsPath: pulumi.Output<string>;

    constructor(name: string, args: RoleArgs, opts?: pulumi.CustomResourceOptions) {
        requireArguments("openai.Role", args, ["mount", "name", "projectId"]);
        super("riptides:openai:Role", name, { ...args, credentialsPath: undefined }, resourceOptions(opts));
    }
}
