// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { checkInjection, RiptidesError, type CredentialBindingSpec, type InjectionSpec } from "../api";
import { checked, type DeepInput } from "./check";

/** Requests that may be sent: one of the methods to one of the paths. What is left out may be anything. */
export interface AllowedRequests {
    /** For example `POST`. */
    methods?: pulumi.Input<pulumi.Input<string>[]>;
    /** Whole segments: `/v1/chat` is `/v1/chat` and what is below it. */
    pathPrefixes?: pulumi.Input<pulumi.Input<string>[]>;
}

/** How a key is added to requests. */
export interface WireDelivery {
    /** Requests that may be sent: one of these must match. Left out: every request. */
    allow?: AllowedRequests[];
    /** Header of the key. Default `Authorization`. */
    header?: pulumi.Input<string>;
    /** What stands before the key. Default `Bearer`; empty: nothing. */
    scheme?: pulumi.Input<string>;
    /** Which field of the secret is the key. Default `api_key`. */
    field?: pulumi.Input<string>;
    /** PEM certificates of the authorities that the service's certificate is checked against. Default: the node's own. */
    caBundle?: pulumi.Input<string>;
}

/** How a key reaches the processes of a workload: one of the two, or both. */
export interface KeyDelivery {
    /** `true`: a file that only they can read. */
    file?: true;
    /**
     * The kernel adds the key to requests that they write as plain HTTP/1.1, and carries them over TLS: the key never
     * enters a process. `true`: to every request, as `Authorization: Bearer`.
     */
    wire?: true | WireDelivery;
}

/** What `deliver` means for the objects that are made. */
export interface Propagation {
    file: boolean;
    /** `undefined` when nothing is injected. */
    wire: WireDelivery | undefined;
    /** Of the CredentialBinding. */
    spec: DeepInput<CredentialBindingSpec["propagation"]>;
}

/** Reads `deliver`. @param labels of the Service into which the key goes @throws RiptidesError */
export function propagation({ file, wire }: KeyDelivery, labels: Record<string, pulumi.Input<string>>): Propagation {
    if (
        (file !== true && file !== undefined) ||
        (!file && !wire) ||
        (wire !== true && typeof (wire ?? {}) !== "object")
    ) {
        throw new RiptidesError("PropagationUnsupported", {
            property: "deliver",
            reason: "a key is delivered as a file, on the wire, or both",
            fix: "Write deliver: { file: true }, { wire: true }, { file: true, wire: true }, or leave it out.",
        });
    }
    if (!wire) {
        return { file: true, wire: undefined, spec: { sysfs: {} } };
    }
    const settings = wire === true ? {} : wire;
    const { header, scheme, field, allow } = settings;
    const asked = { selectors: [] as InjectionSpec["selectors"], ...given({ header, scheme, field, allow }) };
    // Apart from the labels, which a name may make known later than all else.
    const injection = checked<InjectionSpec, InjectionSpec>(asked as DeepInput<InjectionSpec>, (spec) => {
        checkInjection(spec, "deliver.wire");
        return spec;
    });
    const injectionInto = pulumi
        .all([injection, pulumi.output(labels)])
        .apply(([spec, known]): InjectionSpec => ({ ...spec, selectors: [known] }));
    return { file: file === true, wire: settings, spec: { ...(file ? { sysfs: {} } : {}), injection: injectionInto } };
}

/** Leaves out what is undefined: the cluster would take it for a value. */
function given<T extends object>(fields: T): Partial<T> {
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
