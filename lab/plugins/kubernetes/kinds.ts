// SPDX-License-Identifier: Apache-2.0
import { group } from "../../../api";
import { pathCovers } from "../../../provider/protocol";

/** What must be known of a kind without asking the cluster. */
export interface Kind {
    apiVersion: string;
    kind: string;
    namespaced: boolean;
    /** Paths whose change replaces the object, beside name and namespace. */
    replaces: readonly string[];
}

const known: Record<string, Omit<Kind, "apiVersion" | "kind">> = {
    "core/v1:Namespace": { namespaced: false, replaces: [] },
    "core/v1:ServiceAccount": { namespaced: true, replaces: [] },
    // Without enableSecretMutable and enableConfigMapMutable, as by default.
    "core/v1:Secret": { namespaced: true, replaces: ["type", "stringData", "data"] },
    "core/v1:ConfigMap": { namespaced: true, replaces: ["binaryData", "data"] },
    "apiextensions.k8s.io/v1:CustomResourceDefinition": { namespaced: false, replaces: [] },
    "rbac.authorization.k8s.io/v1:ClusterRole": { namespaced: false, replaces: [] },
    "rbac.authorization.k8s.io/v1:ClusterRoleBinding": { namespaced: false, replaces: ["roleRef"] },
    "rbac.authorization.k8s.io/v1:Role": { namespaced: true, replaces: [] },
    "rbac.authorization.k8s.io/v1:RoleBinding": { namespaced: true, replaces: ["roleRef"] },
    "apps/v1:DaemonSet": { namespaced: true, replaces: ["spec.selector"] },
};

/** Type tokens, for messages. */
export const supported = [...Object.keys(known), `${group}/*:*`].map((name) => `kubernetes:${name}`);

const token = /^kubernetes:([^:]+)\/([^/:]+):([A-Za-z]+)$/;

/** The kind of a type token, `kubernetes:<group>/<version>:<Kind>`; undefined when it is none of ours. */
export function kindOf(type: string): Kind | undefined {
    const [, typeGroup, version, kind] = token.exec(type) ?? [];
    if (!typeGroup || !version || !kind) {
        return undefined;
    }
    const apiVersion = typeGroup === "core" ? version : `${typeGroup}/${version}`;
    const facts = known[`${typeGroup}/${version}:${kind}`];
    if (facts) {
        return { apiVersion, kind, ...facts };
    }
    return typeGroup === group ? { apiVersion, kind, namespaced: true, replaces: [] } : undefined;
}

/** Says whether a change at the path replaces an object of the kind. */
export function replaces(kind: Kind, path: string): boolean {
    return ["metadata.name", "metadata.namespace", ...kind.replaces].some(
        (fixed) => pathCovers(fixed, path) || pathCovers(path, fixed),
    );
}
