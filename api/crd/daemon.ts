// SPDX-License-Identifier: Apache-2.0
import { workloadID } from "./fields";
import type { Kind } from "./kind";

export const daemon: Kind = {
    kind: "Daemon",
    plural: "daemons",
    description: "A node agent, registered by itself.",
    spec: {
        type: "object",
        required: ["workloadID", "claimerType"],
        properties: {
            workloadID,
            claimerType: { type: "string", description: "How the node proved itself.", enum: ["JWT"] },
        },
    },
    status: {
        type: "object",
        properties: {
            health: {
                type: "object",
                properties: {
                    daemonHealth: { type: "string" },
                    driverHealth: { type: "string" },
                    lastProbeAt: { type: "string", format: "date-time" },
                },
            },
            metadata: {
                type: "array",
                items: {
                    type: "object",
                    required: ["name", "value"],
                    properties: { name: { type: "string" }, value: { type: "string" } },
                },
            },
        },
    },
    columns: [
        { name: "WorkloadID", type: "string", jsonPath: ".spec.workloadID" },
        { name: "Agent", type: "string", jsonPath: ".status.health.daemonHealth" },
        { name: "Driver", type: "string", jsonPath: ".status.health.driverHealth" },
    ],
};
