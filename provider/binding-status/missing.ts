// SPDX-License-Identifier: Apache-2.0
import type { WorkloadIdentitySpec } from "../../api";
import type { Cluster, Item } from "./cluster";
import type { Binding } from "./condition";

/** What a binding without a report lacks, each a clause for a person: the first is the likeliest cause. */
export async function missingFor(
    cluster: Cluster,
    namespace: string,
    name: string,
    signal: AbortSignal,
): Promise<string[]> {
    const binding = (await cluster.get("credentialbindings", namespace, name, signal)) as Binding | undefined;
    if (!binding) {
        return [`there is no CredentialBinding ${namespace}/${name}`];
    }
    const { credentialSource, workloadID } = binding.spec;
    const [source, identities, daemons] = await Promise.all([
        cluster.get("credentialsources", namespace, credentialSource, signal),
        cluster.list("workloadidentitys", namespace, signal),
        cluster.list("daemons", namespace, signal),
    ]);
    const missing: string[] = [];
    if (!source) {
        missing.push(`there is no CredentialSource ${namespace}/${credentialSource}`);
    }
    const scopes = identities.map(specOf).filter((spec) => spec.workloadID === workloadID);
    if (scopes.length === 0) {
        missing.push(`there is no WorkloadIdentity with workloadID ${workloadID} in ${namespace}`);
    }
    for (const { scope } of scopes) {
        const wanted = scope?.agent?.id ?? scope?.daemon?.id;
        const daemon = daemons.find(({ spec }) => spec?.["workloadID"] === wanted);
        if (!daemon) {
            missing.push(`no agent ${String(wanted)} has registered (no such Daemon in ${namespace})`);
        } else {
            missing.push(`agent ${String(wanted)} has not reported (${healthOf(daemon)})`);
        }
    }
    return missing;
}

function specOf(item: Item): Partial<WorkloadIdentitySpec> {
    return (item.spec ?? {}) as Partial<WorkloadIdentitySpec>;
}

function healthOf({ status }: Item): string {
    const health = status?.["health"] as { daemonHealth?: string; lastProbeAt?: string } | undefined;
    return health
        ? `its health: ${health.daemonHealth ?? "unknown"}, last seen ${health.lastProbeAt ?? "never"}`
        : "it has never told its health";
}
