// SPDX-License-Identifier: Apache-2.0
import * as grpc from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { messageOf } from "../../api";
import type { Redaction } from "./redaction";
import { PartialFailure } from "./resource";
import { encode } from "./value";

/**
 * The gRPC error of anything thrown. A partial failure carries id, properties and reasons in its details, as google.rpc.Status.
 * Every other code than UNKNOWN has a meaning of its own to the engine, so the text alone tells what happened.
 */
export function serviceError(
    error: unknown,
    redaction: Redaction,
    secrets: ReadonlySet<string> = new Set(),
): Partial<grpc.StatusObject> & Error {
    if (error instanceof ServiceError) {
        return error;
    }
    const message = redaction.clean(messageOf(error));
    const metadata = new grpc.Metadata();
    if (error instanceof PartialFailure) {
        const { outputs, inputs, refreshBeforeUpdate = false } = error.result;
        const paths = new Set([...secrets, ...(error.result.secrets ?? [])]);
        const detail = new ErrorResourceInitFailed();
        detail.setId(error.id);
        detail.setProperties(encode({ values: outputs, secrets: paths }));
        detail.setReasonsList(error.failures.map((failure) => redaction.clean(failure.message)));
        detail.setRefreshBeforeUpdate(refreshBeforeUpdate);
        if (inputs) {
            detail.setInputs(encode({ values: inputs, secrets: paths }));
        }
        const packed = new Any();
        packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
        const status = new Status();
        status.setCode(grpc.status.UNKNOWN);
        status.setMessage(message);
        status.addDetails(packed);
        metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
    }
    return new ServiceError(message, metadata);
}

class ServiceError extends Error {
    readonly code = grpc.status.UNKNOWN;
    readonly details: string;

    constructor(
        message: string,
        readonly metadata: grpc.Metadata,
    ) {
        super(message);
        this.details = message;
    }
}
