// SPDX-License-Identifier: Apache-2.0
import { selectors, workloadID } from "./fields";
import type { Kind } from "./kind";

export const workloadIdentity: Kind = {
    kind: "WorkloadIdentity",
    plural: "workloadidentitys",
    description: "Which processes, on which node, have a SPIFFE ID.",
    spec: {
        type: "object",
        required: ["workloadID", "scope", "selectors"],
        properties: {
            workloadID,
            scope: {
                type: "object",
                description: "The node. Exactly one of its members.",
                minProperties: 1,
                maxProperties: 1,
                properties: {
                    agent: {
                        type: "object",
                        required: ["id"],
                        properties: { id: { ...workloadID, description: "Workload ID of the Daemon." } },
                    },
                    daemon: {
                        type: "object",
                        description: "Newer name of `agent`.",
                        required: ["id"],
                        properties: { id: { ...workloadID, description: "Workload ID of the Daemon." } },
                    },
                },
            },
            selectors: { ...selectors, description: "Which processes: one of these must match (docs/selectors.md)." },
        },
    },
    columns: [{ name: "WorkloadID", type: "string", jsonPath: ".spec.workloadID" }],
};
