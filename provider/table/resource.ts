// SPDX-License-Identifier: Apache-2.0
import type { Secret } from "../../api";
import {
    computed,
    Computed,
    diffProperties,
    isMap,
    pathSteps,
    type Changes,
    type CheckRequest,
    type CheckResult,
    type Context,
    type CreateRequest,
    type CreateResult,
    type DeleteRequest,
    type DiffRequest,
    type DiffResult,
    type Outputs,
    type PropertyMap,
    type ReadRequest,
    type ReadResult,
    type Resource,
    type UpdateRequest,
} from "../protocol";
import { canonicalInputs, checkFields, secretPaths } from "./check";
import type { Table } from "./table";
import { WriteOnly } from "./write-only";

/** An update with what differs. */
export interface Update extends UpdateRequest {
    /** Names of the top-level inputs that change. */
    changed: ReadonlySet<string>;
}

/**
 * A resource whose check, diff and previews follow from its table: they need no server and say what `up` will do.
 * A subclass does the four things that touch the world.
 */
export abstract class TableResource<T extends Table = Table> implements Resource {
    readonly #writeOnly = new WriteOnly();

    constructor(readonly table: T) {}

    /** Makes the object. @returns its id and the outputs beside the inputs */
    protected abstract make(inputs: PropertyMap, context: Context): Promise<{ id: string; outputs?: PropertyMap }>;

    /** Changes the object in place. @returns the outputs beside the inputs */
    protected abstract change(update: Update, context: Context): Promise<PropertyMap | undefined>;

    /** What the server has: inputs projected from live values, and the outputs beside them. Undefined when it is gone. */
    protected abstract look(
        request: ReadRequest,
        context: Context,
    ): Promise<{ id: string; inputs: PropertyMap; outputs?: PropertyMap } | undefined>;

    /** Removes the object; succeeds when it is gone. */
    protected abstract remove(request: DeleteRequest, context: Context): Promise<void>;

    /** Checks that need more than one field. @throws RiptidesError with a property */
    protected checkTogether?(inputs: PropertyMap): void;

    /** Outputs that follow from the inputs alone: previews show them. May hold computed values. */
    protected derived?(inputs: PropertyMap): PropertyMap;

    /** Changes of the live state that no input shows, for example a server that still runs the old binary. */
    protected liveChanges?(request: DiffRequest): Changes;

    check({ news, olds, randomSeed }: CheckRequest, context: Context): CheckResult {
        const { inputs, failures } = checkFields(this.table.inputs, news);
        for (const [name, field] of Object.entries(this.table.inputs)) {
            if (field.writeOnly && inputs[name] !== undefined) {
                inputs[name] = this.#seal(inputs[name], olds?.[name], randomSeed, `${context.urn} ${name}`);
            }
        }
        if (failures.length === 0) {
            this.checkTogether?.(inputs);
        }
        return { inputs, failures, secrets: secretPaths(this.table.inputs) };
    }

    diff(request: DiffRequest, _context?: Context): DiffResult {
        const changes = this.#inputChanges(request);
        for (const [path, change] of this.liveChanges?.(request) ?? []) {
            if (!changes.has(path)) {
                changes.set(path, change);
            }
        }
        const stables = Object.entries({ ...this.table.inputs, ...this.table.outputs })
            .filter(([, field]) => field.stable || field.immutable)
            .map(([name]) => name);
        return { changes, stables };
    }

    async create({ inputs }: CreateRequest, context: Context): Promise<CreateResult> {
        if (context.preview) {
            const outputs = Object.fromEntries(Object.keys(this.table.outputs).map((name) => [name, computed]));
            return { id: "", ...this.outputs(inputs, { ...outputs, ...this.derived?.(inputs) }) };
        }
        const { id, outputs } = await this.make(inputs, context);
        return { id, ...this.outputs(inputs, outputs) };
    }

    async read(request: ReadRequest, context: Context): Promise<ReadResult | undefined> {
        const seen = await this.look(request, context);
        return seen && { id: seen.id, inputs: seen.inputs, ...this.outputs(seen.inputs, seen.outputs) };
    }

    async update(request: UpdateRequest, context: Context): Promise<Outputs> {
        const changed = new Set([...this.#inputChanges(request).keys()].map((path) => String(pathSteps(path)[0])));
        if (context.preview) {
            const outputs = Object.entries(this.table.outputs).map(([name, field]) => [
                name,
                field.stable ? (request.olds[name] ?? computed) : computed,
            ]);
            return this.outputs(request.news, {
                ...(Object.fromEntries(outputs) as PropertyMap),
                ...this.derived?.(request.news),
            });
        }
        return this.outputs(request.news, await this.change({ ...request, changed }, context));
    }

    async delete(request: DeleteRequest, context: Context): Promise<void> {
        await this.remove(request, context);
    }

    /** Outputs for the state: the inputs but for write-only ones, and `more`. */
    protected outputs(inputs: PropertyMap, more: PropertyMap = {}): Outputs {
        const readable = Object.entries(inputs).filter(([name]) => !this.table.inputs[name]?.writeOnly);
        return {
            outputs: { ...Object.fromEntries(readable), ...more },
            secrets: [...secretPaths(this.table.inputs), ...secretPaths(this.table.outputs)],
        };
    }

    /** The secret that a write-only text input stands for. */
    protected reveal(text: unknown, property: string): Secret {
        return this.#writeOnly.reveal(String(text), property);
    }

    #inputChanges({ oldInputs, news, ignoreChanges }: DiffRequest): Changes {
        return diffProperties(canonicalInputs(this.table.inputs, oldInputs), news, {
            ignore: ignoreChanges,
            replaces: (path) => this.#immutable(path),
        });
    }

    #immutable(path: string): boolean {
        let fields: Table["inputs"] | undefined = this.table.inputs;
        for (const step of pathSteps(path)) {
            const field: Table["inputs"][string] | undefined = fields?.[step];
            if (!field) {
                return false;
            }
            if (field.immutable) {
                return true;
            }
            fields = typeof field.type === "object" && "fields" in field.type ? field.type.fields : undefined;
        }
        return false;
    }

    // A map (environment variables) is sealed value by value, so that the diff names the one that changes.
    #seal(
        value: PropertyMap[string],
        old: PropertyMap[string] | undefined,
        seed: Uint8Array,
        place: string,
    ): PropertyMap[string] {
        if (value instanceof Computed || value === null) {
            return value;
        }
        if (isMap(value)) {
            return Object.fromEntries(
                Object.entries(value).map(([key, item]) => [
                    key,
                    this.#seal(item, isMap(old) ? old[key] : undefined, seed, `${place} ${key}`),
                ]),
            );
        }
        return this.#writeOnly.seal(String(value), old, seed, place);
    }
}
