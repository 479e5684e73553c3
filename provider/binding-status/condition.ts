// SPDX-License-Identifier: Apache-2.0
import {
    catalogue,
    Duration,
    isFailureCode,
    RiptidesError,
    type CredentialBindingSpec,
    type CredentialBindingStatus,
} from "../../api";
import type { PropertyMap } from "../protocol";
import type { Verdict } from "../wait/wait";

/** The parts of a CredentialBinding that are read. */
export interface Binding {
    metadata: { name: string; namespace: string; generation?: number; deletionTimestamp?: string };
    spec: CredentialBindingSpec;
    status?: CredentialBindingStatus;
}

/** Says whether the report is about the binding as it is now. A writer that gives no generation is taken at its word. */
export function isCurrent({ metadata, status }: Binding): boolean {
    return status?.observedGeneration === undefined || status.observedGeneration === metadata.generation;
}

// The clocks of the node and of this machine may differ by less than this.
const clockTolerance = Duration.seconds(300);

// An agent that lives replaces a credential long before its end: a report that has outlived it is of a dead one.
function hasLapsed({ state, expiresAt }: CredentialBindingStatus, nowMs: number): boolean {
    return state === "OK" && expiresAt !== undefined && Date.parse(expiresAt) + clockTolerance.milliseconds < nowMs;
}

/** Judges a binding; undefined when there is none. */
export function judgeBinding(binding: Binding | undefined, nowMs = Date.now()): Verdict<PropertyMap> {
    if (!binding) {
        return { kind: "waiting", status: "waiting for the CredentialBinding to exist" };
    }
    const { metadata, status } = binding;
    if (metadata.deletionTimestamp) {
        return { kind: "waiting", status: "the CredentialBinding is being deleted" };
    }
    if (!status?.state) {
        return { kind: "waiting", status: "waiting for an agent to report" };
    }
    if (!isCurrent(binding)) {
        const seen = `${status.observedGeneration} of ${metadata.generation}`;
        return { kind: "waiting", status: `waiting for the agent to see the change (generation ${seen})` };
    }
    if (hasLapsed(status, nowMs)) {
        return {
            kind: "waiting",
            status: `waiting for a new report: the credential of the last one ended at ${status.expiresAt}`,
        };
    }
    if (status.state === "OK") {
        return { kind: "ready", result: statusOutputs(status, nowMs) };
    }
    return {
        kind: "failed",
        status: `FAILED: ${status.reason ?? "no reason"}: ${status.message ?? "no message"}`,
        failure: bindingFailure(binding, status),
    };
}

/** Outputs of a report. Times and counts are left out: they change by themselves. */
export function statusOutputs(reported: CredentialBindingStatus | undefined, nowMs = Date.now()): PropertyMap {
    const status: CredentialBindingStatus | undefined =
        reported && hasLapsed(reported, nowMs)
            ? {
                  ...reported,
                  state: "FAILED",
                  reason: "Expired",
                  message: `The credential ended at ${reported.expiresAt}, and the agent has not reported since.`,
              }
            : reported;
    const files = (status?.sysfs?.files ?? []).map(({ path, type }) => ({ path, type }));
    const services = status?.injection?.services.map(({ host, port }) => ({ host, port }));
    return {
        ...(status?.state ? { state: status.state } : {}),
        ...(status?.message ? { message: status.message } : {}),
        ...(status?.reason ? { reason: status.reason } : {}),
        files,
        ...(services ? { injection: { services } } : {}),
        ...(status?.agent ? { agent: status.agent } : {}),
    };
}

function bindingFailure({ metadata }: Binding, { reason, message, agent }: CredentialBindingStatus): RiptidesError {
    const who = agent ? ` (says ${agent})` : "";
    const why = [reason, message?.trim().replace(/\.$/, "")].filter(Boolean).join(": ") || "the agent gave no reason";
    return new RiptidesError("BindingFailed", {
        reason: `CredentialBinding ${metadata.namespace}/${metadata.name} is FAILED${who}: ${why.replaceAll("\n", " ")}`,
        ...(reason && isFailureCode(reason)
            ? { fix: `${catalogue[reason].fix} \`pulumi up\` continues from here.` }
            : {}),
    });
}
