// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import {
    isSpoofable,
    parseSelectors,
    workloadId,
    type Selector,
    type SelectorLike,
    type WorkloadIdentitySpec,
} from "../../api";
import { checked, field, requireArguments, type DeepInput } from "../check";
import { CustomObject, type ObjectArgs } from "./custom-object";

export type WorkloadIdentityArgs = ObjectArgs<WorkloadIdentitySpec>;

/** Which processes, on which node, have a SPIFFE ID. Selectors that a process can forge give a warning in preview. */
export class WorkloadIdentity extends CustomObject<WorkloadIdentitySpec> {
    /** Reads an existing object. @param id `<namespace>/<name>` */
    static get(name: string, id: pulumi.Input<pulumi.ID>, opts?: pulumi.CustomResourceOptions): WorkloadIdentity {
        return new WorkloadIdentity(name, undefined, { ...opts, id });
    }

    constructor(name: string, args: WorkloadIdentityArgs | undefined, opts?: pulumi.CustomResourceOptions) {
        const selectors = opts?.id ? pulumi.output<Selector[]>([]) : checkedSelectors(args);
        super("WorkloadIdentity", name, args, opts);
        selectors.apply((parsed) => parsed.filter(isSpoofable).forEach((selector) => warnOfSpoofable(selector, this)));
    }
}

function checkedSelectors(args: WorkloadIdentityArgs | undefined): pulumi.Output<Selector[]> {
    const { spec } = requireArguments("WorkloadIdentity", args, ["spec"]);
    checked<string, string>(field<WorkloadIdentitySpec, "workloadID">(spec, "workloadID"), (id) =>
        workloadId(id, "spec.workloadID"),
    );
    const selectors = field<WorkloadIdentitySpec, "selectors">(spec, "selectors") as DeepInput<SelectorLike[]>;
    return checked<SelectorLike[], Selector[]>(selectors, (given) => parseSelectors(given));
}

function warnOfSpoofable(selector: Selector, identity: WorkloadIdentity): void {
    const keys = Object.keys(selector).join(", ");
    void pulumi.log.warn(
        `any process of the node can give itself ${keys}; add a path, hash, uid or systemd unit to the selector [Spoofable]`,
        identity,
    );
}
