// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { requireArguments } from "../check";
import { resourceOptions, secret } from "./options";

export interface ConfigArgs {
    /** Path of the engine's mount. */
    mount: pulumi.Input<string>;
    /** OpenAI organization, `org-…`. */
    organizationId: pulumi.Input<string>;
    /** Admin key, `sk-admin-…`. Write-only: it is sent to the engine and never read back. */
    adminApiKey: pulumi.Input<string>;
    /** Id of the admin key, `key_…`. */
    adminApiKeyId: pulumi.Input<string>;
    /** URL of the OpenAI API. Default `https://api.openai.com/v1`. */
    apiEndpoint?: pulumi.Input<string>;
    /** Lets the engine take an `apiEndpoint` of plain http. For tests only. */
    allowInsecureEndpoint?: pulumi.Input<boolean>;
    /** How often the engine makes itself a new admin key, for example `720h`. Left out: never. */
    rotationPeriod?: pulumi.Input<string | number>;
}

/** Configuration of an OpenAI secrets engine (`riptides:openai:Config`). */
export class Config extends pulumi.CustomResource {
    declare public readonly mount: pulumi.Output<string>;
    declare public readonly organizationId: pulumi.Output<string>;
    declare public readonly adminApiKeyId: pulumi.Output<string>;
    declare public readonly apiEndpoint: pulumi.Output<string>;
    declare public readonly allowInsecureEndpoint: pulumi.Output<boolean | undefined>;
    declare public readonly rotationPeriod: pulumi.Output<string | undefined>;

    constructor(name: string, args: ConfigArgs, opts?: pulumi.CustomResourceOptions) {
        requireArguments("openai.Config", args, ["mount", "organizationId", "adminApiKey", "adminApiKeyId"]);
        const inputs = { ...args, adminApiKey: secret(args.adminApiKey) };
        super("riptides:openai:Config", name, inputs, resourceOptions(opts, ["adminApiKey"]));
    }
}
