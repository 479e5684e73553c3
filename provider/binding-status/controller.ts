// SPDX-License-Identifier: Apache-2.0
import { Duration, messageOf, RiptidesError } from "../../api";
import {
    PartialFailure,
    type Changes,
    type Context,
    type DiffRequest,
    type Outputs,
    type PropertyMap,
    type ReadRequest,
} from "../protocol";
import { TableResource, type Update } from "../table";
import { TimedOut, waitFor, wallClock, type Clock } from "../wait/wait";
import type { Cluster } from "./cluster";
import { judgeBinding, statusOutputs, type Binding } from "./condition";
import { missingFor } from "./missing";
import { bindingStatusTable } from "./schema";

// After the timeout there is still the error to be composed.
const inquiry = Duration.seconds(10);

/** `riptides:index:BindingStatus`: the status of a CredentialBinding. */
export class BindingStatus extends TableResource<typeof bindingStatusTable> {
    constructor(
        private readonly cluster: Cluster,
        private readonly clock: Clock = wallClock,
    ) {
        super(bindingStatusTable);
    }

    // A binding that went bad since is waited for again.
    protected override liveChanges({ olds }: DiffRequest): Changes {
        return olds["state"] === "OK"
            ? new Map()
            : new Map([["state", { kind: "update", replace: false, input: false }]]);
    }

    protected async make(inputs: PropertyMap, context: Context) {
        const id = `${String(inputs["namespace"])}/${String(inputs["name"])}`;
        return { id, outputs: await this.#wait(id, inputs, context) };
    }

    protected change({ id, news }: Update, context: Context) {
        return this.#wait(id, news, context);
    }

    protected async look({ id, inputs }: ReadRequest, context: Context) {
        const [namespace, name] = parse(id);
        const binding = (await this.cluster.get("credentialbindings", namespace, name, context.signal)) as
            Binding | undefined;
        return (
            binding && {
                id,
                inputs: { failureGrace: "30s", timeout: "5m", ...inputs, namespace, name },
                outputs: statusOutputs(binding.status),
            }
        );
    }

    protected async remove(): Promise<void> {}

    protected override outputs(inputs: PropertyMap, more: PropertyMap = {}): Outputs {
        return { ...super.outputs(inputs, more), refreshBeforeUpdate: true };
    }

    async #wait(id: string, inputs: PropertyMap, context: Context): Promise<PropertyMap> {
        const [namespace, name] = parse(id);
        let seen: Binding | undefined;
        try {
            return await waitFor(this.cluster.binding(namespace, name), (binding) => judgeBinding((seen = binding)), {
                timeout: context.timeout ?? Duration.parse(String(inputs["timeout"])),
                grace: Duration.parse(String(inputs["failureGrace"])),
                clock: this.clock,
                signal: context.cancelled,
                status: (text) => context.status(text),
            });
        } catch (error) {
            const failure = error instanceof TimedOut ? await this.#timedOut(error, namespace, name) : error;
            if (failure instanceof RiptidesError && ["BindingFailed", "BindingTimeout"].includes(failure.code)) {
                throw new PartialFailure(id, this.outputs(inputs, statusOutputs(seen?.status)), [failure]);
            }
            throw failure;
        }
    }

    async #timedOut({ timeout, last }: TimedOut, namespace: string, name: string): Promise<RiptidesError> {
        const what = `CredentialBinding ${namespace}/${name} was not OK within ${timeout}`;
        if (last?.kind === "failed") {
            return new RiptidesError("BindingFailed", {
                reason: `${what}; ${last.failure.reason}`,
                fix: last.failure.fix,
            });
        }
        const missing = await missingFor(
            this.cluster,
            namespace,
            name,
            AbortSignal.timeout(inquiry.milliseconds),
        ).catch((error: unknown) => [`what is missing could not be asked: ${messageOf(error)}`]);
        const waiting = last?.kind === "waiting" ? ` (${last.status})` : "";
        return new RiptidesError("BindingTimeout", { reason: [`${what}${waiting}`, ...missing].join("; ") });
    }
}

function parse(id: string): [namespace: string, name: string] {
    const [namespace, name, more] = id.split("/");
    if (!namespace || !name || more !== undefined) {
        throw new RiptidesError("InvalidProperty", {
            property: "id",
            reason: `${JSON.stringify(id)} is not the id of a binding's status`,
            fix: `Use <namespace>/<name>, for example ${bindingStatusTable.importId}.`,
        });
    }
    return [namespace, name];
}
