// SPDX-License-Identifier: Apache-2.0
import { Duration, Secret } from "../../api";
import type { PropertyMap } from "../protocol";
import type { ValuesOf } from "../table";
import { parseHostKey } from "./host-key";
import type { hostAgentTable } from "./schema";
import type { Target } from "./ssh";

/** What a user asks for. */
export interface Inputs {
    target: Target;
    trustDomain: string;
    namespace: string;
    /** The Kubernetes API as the node reaches it; `certificateAuthorityData` is base64 of PEM. */
    cluster: { server: string; certificateAuthorityData: string; token: Secret };
    bundleDir?: string;
    moduleDir?: string;
    readyTimeout: Duration;
}

/** Reads inputs that `check` has passed. */
export function readInputs(properties: PropertyMap): Inputs {
    const values = properties as unknown as ValuesOf<typeof hostAgentTable.inputs>;
    const { connection, cluster, readyTimeout, ...rest } = values;
    return {
        ...rest,
        target: {
            host: connection.host,
            port: connection.port,
            user: connection.user,
            privateKey: new Secret(connection.privateKey),
            hostKey: parseHostKey(connection.hostKey),
        },
        cluster: { ...cluster, token: new Secret(cluster.token) },
        readyTimeout: Duration.parse(readyTimeout, "readyTimeout"),
    };
}

/** agent.json: what the agent must know and nobody has to keep secret. */
export function configurationText(
    agentId: string,
    { trustDomain, namespace, cluster }: Inputs,
    module: string,
): string {
    const { server, certificateAuthorityData } = cluster;
    const configuration = {
        agentId,
        trustDomain,
        namespace,
        cluster: { server, certificateAuthorityData },
        modulePath: module,
    };
    return `${JSON.stringify(configuration, undefined, 4)}\n`;
}
