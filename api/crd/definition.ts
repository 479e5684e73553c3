// SPDX-License-Identifier: Apache-2.0
import { group, version } from "./group";
import type { Kind } from "./kind";

/** `apiextensions.k8s.io/v1` CustomResourceDefinition of a kind, without `apiVersion` and `kind`. */
export function customResourceDefinition(kind: Kind) {
    return {
        metadata: { name: `${kind.plural}.${group}` },
        spec: {
            group,
            scope: "Namespaced",
            names: {
                kind: kind.kind,
                plural: kind.plural,
                singular: kind.kind.toLowerCase(),
                listKind: `${kind.kind}List`,
                ...(kind.shortNames ? { shortNames: kind.shortNames } : {}),
            },
            versions: [
                {
                    name: version,
                    served: true,
                    storage: true,
                    schema: {
                        openAPIV3Schema: {
                            type: "object",
                            description: kind.description,
                            required: ["spec"],
                            properties: {
                                apiVersion: { type: "string" },
                                kind: { type: "string" },
                                metadata: { type: "object" },
                                spec: kind.spec,
                                ...(kind.status ? { status: kind.status } : {}),
                            },
                        },
                    },
                    ...(kind.status ? { subresources: { status: {} } } : {}),
                    additionalPrinterColumns: [
                        ...kind.columns,
                        { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
                    ],
                },
            ],
        },
    };
}
