// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { requireArguments } from "../check";
import { resourceOptions, secret } from "./options";

export interface PluginArgs {
    /** Name in the plugin catalog. Default `openai`. */
    name?: pulumi.Input<string>;
    /** Semantic version, for example `v0.1.0`. */
    version: pulumi.Input<string>;
    /** File name of the binary in the server's `plugin_directory`. */
    command: pulumi.Input<string>;
    /** SHA-256 of that file, hexadecimal. */
    sha256: pulumi.Input<string>;
    /** Arguments of the command. */
    args?: pulumi.Input<pulumi.Input<string>[]>;
    /** Environment of the command. Write-only: it is sent to the server and never read back. */
    env?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    /** Mounts to bring to this version. Default: every mount of the type `name`. */
    mounts?: pulumi.Input<pulumi.Input<string>[]>;
}

/** A version of a secrets plugin in the catalog of OpenBao or Vault (`riptides:openai:Plugin`). */
export class Plugin extends pulumi.CustomResource {
    declare public readonly name: pulumi.Output<string>;
    declare public readonly version: pulumi.Output<string>;
    declare public readonly command: pulumi.Output<string>;
    declare public readonly sha256: pulumi.Output<string>;
    declare public readonly args: pulumi.Output<string[] | undefined>;
    declare public readonly mounts: pulumi.Output<string[] | undefined>;
    /** Version that the mounts run. */
    declare public readonly runningVersion: pulumi.Output<string | undefined>;
    /** SHA-256 of the binary that the mounts run. */
    declare public readonly runningSha256: pulumi.Output<string | undefined>;

    constructor(name: string, args: PluginArgs, opts?: pulumi.CustomResourceOptions) {
        requireArguments("openai.Plugin", args, ["version", "command", "sha256"]);
        const inputs = { ...args, env: secret(args.env), runningVersion: undefined, runningSha256: undefined };
        super("riptides:openai:Plugin", name, inputs, resourceOptions(opts, ["env"]));
    }
}
