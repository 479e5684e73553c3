// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import type { output } from "@pulumi/kubernetes/types";
import { getVersion } from "@pulumi/kubernetes/utilities";
import { apiVersion, defaultNamespace } from "../../api";
import { checked, requireArguments, type DeepInput } from "../check";
import { kubernetesName } from "../names";

/** The part of Kubernetes' ObjectMeta that a program sets. */
export interface ObjectMetadata {
    /** Given by Pulumi, with a random end, unless it is set. */
    name?: pulumi.Input<string>;
    /** Default `riptides-system`. */
    namespace?: pulumi.Input<string>;
    labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    annotations?: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

/** Arguments of every kind of the group core.riptides.io. */
export interface ObjectArgs<Spec> {
    metadata?: ObjectMetadata;
    spec: DeepInput<Spec>;
}

/**
 * An object of the group core.riptides.io, kept by the Kubernetes provider. Unlike `apiextensions.CustomResource` it
 * gives back `spec` and `status` as outputs.
 */
export abstract class CustomObject<Spec, Status = undefined> extends pulumi.CustomResource {
    declare public readonly apiVersion: pulumi.Output<string>;
    declare public readonly kind: pulumi.Output<string>;
    declare public readonly metadata: pulumi.Output<output.meta.v1.ObjectMeta>;
    declare public readonly spec: pulumi.Output<Spec>;
    /** What the node agent wrote, as of the last update or refresh; undefined until it has. */
    declare public readonly status: pulumi.Output<Status | undefined>;

    /** @param args undefined when an existing object is read by `opts.id`, `<namespace>/<name>`. */
    protected constructor(
        kind: string,
        name: string,
        args: ObjectArgs<Spec> | undefined,
        opts: pulumi.CustomResourceOptions = {},
    ) {
        const made = opts.id === undefined;
        super(
            `kubernetes:${apiVersion}:${kind}`,
            name,
            {
                apiVersion: made ? apiVersion : undefined,
                kind: made ? kind : undefined,
                metadata: made ? metadata(args?.metadata) : undefined,
                spec: made ? requireArguments(kind, args, ["spec"]).spec : undefined,
                // Named so that the SDK makes an output of it; an undefined input is not sent.
                status: undefined,
            },
            pulumi.mergeOptions({ version: getVersion() }, opts),
        );
    }
}

function metadata(given: ObjectMetadata = {}) {
    return {
        ...given,
        namespace: given.namespace ?? defaultNamespace,
        ...(given.name === undefined
            ? {}
            : { name: checked<string, string>(given.name, (name) => kubernetesName(name, "metadata.name")) }),
    };
}
