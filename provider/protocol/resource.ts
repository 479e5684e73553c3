// SPDX-License-Identifier: Apache-2.0
import type { Duration, RiptidesError } from "../../api";
import type { Changes } from "./diff";
import type { PropertyMap } from "./value";

/** Severity of a line in the engine's log. */
export type Severity = "debug" | "info" | "warning" | "error";

/** What every call of a resource has beside its properties. Never put a secret into `log` or `status`. */
export interface Context {
    urn: string;
    /** Type token, for example `riptides:openai:Role`. */
    type: string;
    /** Logical name in the program. */
    name: string;
    /** True when nothing may be touched and inputs may be computed. */
    preview: boolean;
    /** The user's customTimeouts for this operation, if set. */
    timeout?: Duration;
    /** Aborts on Cancel, when the engine hangs up, and when `timeout` has passed. */
    signal: AbortSignal;
    /** As `signal`, but without `timeout`: for resources that report their own timeout with what was missing. */
    cancelled: AbortSignal;
    /** A lasting line of the resource in the output. */
    log(severity: Severity, message: string): void;
    /** The text in the resource's row while it is worked on. */
    status(message: string): void;
}

export interface CheckRequest {
    /** Inputs of the last deployment, as `check` gave them back; undefined on create. */
    olds: PropertyMap | undefined;
    news: PropertyMap;
    /** Paths of `news` that are secret. Their values keep that mark in everything given back, by themselves. */
    secrets: ReadonlySet<string>;
    /** The engine's seed: equal in preview and update of one plan. */
    randomSeed: Uint8Array;
}

export interface CheckFailure {
    property: string;
    reason: string;
}

export interface CheckResult {
    /** Inputs with defaults, in canonical form. They are stored, and given to diff, create and update. */
    inputs: PropertyMap;
    failures?: CheckFailure[];
    /** More paths of `inputs` to keep secret. */
    secrets?: readonly string[];
}

export interface DiffRequest {
    id: string;
    /** Old outputs, as in the state. */
    olds: PropertyMap;
    oldInputs: PropertyMap;
    news: PropertyMap;
    ignoreChanges: readonly string[];
}

export interface DiffResult {
    changes: Changes;
    /** Outputs that stay through any update, so that their dependents are not shown as changing. */
    stables?: readonly string[];
    deleteBeforeReplace?: boolean;
}

export interface CreateRequest {
    inputs: PropertyMap;
}

/** Outputs of a resource as the state shall hold them. */
export interface Outputs {
    outputs: PropertyMap;
    /** Paths of `outputs` to keep secret, beside those that the inputs have secret. */
    secrets?: readonly string[];
    /** Asks the engine to read again before the next update, so that previews see drift. */
    refreshBeforeUpdate?: boolean;
}

export interface CreateResult extends Outputs {
    /** Empty or absent only in preview. */
    id?: string;
}

export interface ReadRequest {
    id: string;
    /** Outputs of the state; empty on import. */
    olds: PropertyMap;
    /** Inputs of the state; empty on import. */
    inputs: PropertyMap;
}

export interface ReadResult extends Outputs {
    id: string;
    /** Inputs projected from live values: where they differ from the program's, the next preview shows drift. */
    inputs: PropertyMap;
}

export type UpdateRequest = DiffRequest;

export interface DeleteRequest {
    id: string;
    olds: PropertyMap;
    oldInputs: PropertyMap;
}

/**
 * One custom resource. A thrown RiptidesError is shown as its message; from `check`, as a failure of its property.
 * Throw {@link PartialFailure} from create, update or read when the object exists but is not in order.
 */
export interface Resource {
    check(request: CheckRequest, context: Context): Promise<CheckResult> | CheckResult;
    diff(request: DiffRequest, context: Context): Promise<DiffResult> | DiffResult;
    create(request: CreateRequest, context: Context): Promise<CreateResult>;
    /** Undefined when the object is gone. */
    read(request: ReadRequest, context: Context): Promise<ReadResult | undefined>;
    update(request: UpdateRequest, context: Context): Promise<Outputs>;
    /** Must succeed when the object is gone already. */
    delete(request: DeleteRequest, context: Context): Promise<void>;
}

/** The object exists, but did not come into order: the state keeps it and the next `up` continues with an update. */
export class PartialFailure extends Error {
    constructor(
        readonly id: string,
        readonly result: Outputs & { inputs?: PropertyMap },
        readonly failures: readonly (RiptidesError | Error)[],
    ) {
        super(failures.map((failure) => failure.message).join("\n"), { cause: failures[0] });
        this.name = "PartialFailure";
    }
}

/** A provider: its schema, its configuration, and its resources by type token. */
export interface Provider {
    name: string;
    version: string;
    /** The package schema as JSON text. */
    schema(): Promise<string> | string;
    /** Checks and normalises the provider's own configuration. Absent: taken as it is. */
    checkConfig?(request: CheckRequest): Promise<CheckResult> | CheckResult;
    /** Configuration fields that, when changed, replace the provider and with it every resource. Default: none. */
    replaceOnConfig?: readonly string[];
    /** Called once before any resource call. Values may be computed in previews. */
    configure?(config: PropertyMap): Promise<void> | void;
    /** The resource of a type token, loaded when first needed; undefined when there is none. */
    resource(type: string): Promise<Resource> | Resource | undefined;
}
