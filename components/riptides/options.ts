// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";

// By the package's own name, because the distance to package.json differs between the sources and dist/.
const { version } = createRequire(__filename)("pulumi-riptides/package.json") as { version: string };

/** Options of every resource of the provider: its version, and outputs that are secret whatever their inputs were. */
export function resourceOptions(
    opts: pulumi.CustomResourceOptions | undefined,
    secretOutputs: string[] = [],
): pulumi.CustomResourceOptions {
    return pulumi.mergeOptions({ version, additionalSecretOutputs: secretOutputs }, opts ?? {});
}

/** Marks an optional input as secret. */
export function secret<T>(input: pulumi.Input<T> | undefined): pulumi.Output<T> | undefined {
    return input === undefined ? undefined : (pulumi.secret(input) as pulumi.Output<T>);
}
