// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { CustomResourceDefinition } from "@pulumi/kubernetes/apiextensions/v1/customResourceDefinition";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace";
import { customResourceDefinition, defaultNamespace, kinds } from "../api";
import { checked, invalid } from "./check";
import { kubernetesName } from "./names";
import { warnOfLostOptions } from "./options";

const retained = ["nothing", "definitions", "everything"] as const;

export interface RiptidesResourcesArgs {
    /** Namespace of the custom resources. Default `riptides-system`. */
    namespace?: pulumi.Input<string>;
    /** `false`: the namespace is there already. Default `true`. */
    createNamespace?: boolean;
    /**
     * What a destroy leaves on the cluster: `nothing` (the default), the custom resource `definitions`, or `everything`
     * (definitions and namespace). Deleting the definitions deletes every object of them, of other stacks too.
     */
    retain?: (typeof retained)[number];
}

/** What a cluster needs once: the namespace and the custom resource definitions of core.riptides.io. */
export class RiptidesResources extends pulumi.ComponentResource {
    declare public readonly namespace: pulumi.Output<string>;

    constructor(name: string, args: RiptidesResourcesArgs = {}, opts?: pulumi.ComponentResourceOptions) {
        super("riptides:components:RiptidesResources", name, {}, opts);
        warnOfLostOptions(this, opts);
        const retain = args.retain ?? "nothing";
        if (!retained.includes(retain)) {
            throw invalid("retain", `${JSON.stringify(retain)} is not a choice`, `Use ${retained.join(", ")}.`);
        }

        const namespace = checked<string, string>(args.namespace ?? defaultNamespace, (text) =>
            kubernetesName(text, "namespace"),
        );
        const made =
            (args.createNamespace ?? true)
                ? new Namespace(
                      `${name}-namespace`,
                      { metadata: { name: namespace } },
                      { parent: this, retainOnDelete: retain === "everything" },
                  )
                : undefined;
        for (const kind of Object.values(kinds)) {
            const { metadata, spec } = customResourceDefinition(kind);
            new CustomResourceDefinition(
                `${name}-${kind.plural}`,
                {
                    // An object of the kind is refused until the API server has taken the definition up.
                    metadata: { ...metadata, annotations: { "pulumi.com/waitFor": "condition=Established" } },
                    spec,
                },
                { parent: this, retainOnDelete: retain !== "nothing" },
            );
        }
        this.namespace = made ? made.metadata.name : namespace;
        this.registerOutputs({ namespace: this.namespace });
    }
}
