// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
    type CheckRequest,
    type CheckResult,
    computed,
    type Context,
    type CreateRequest,
    type CreateResult,
    type DeleteRequest,
    type DiffRequest,
    type DiffResult,
    hasComputed,
    type Outputs,
    PartialFailure,
    pathCovers,
    type PropertyMap,
    type ReadRequest,
    type ReadResult,
    type Resource,
    type UpdateRequest,
} from "../../../provider/protocol";
import {
    checkInputs,
    compare,
    observe,
    plan,
    type Properties,
    projectInputs,
    rawStateDelta,
    settle,
    stables,
} from "./property";
import type { Server } from "./server";

/** One kind of Vault object: its properties, and how it is written and read. */
export interface Kind {
    properties: Properties;
    /** Property that a replacement in place would collide on: old and new cannot live side by side under one name. */
    identity?: string;
    /** Id of the object that the inputs describe. */
    id(inputs: PropertyMap): string;
    /**
     * Makes the object. `exists` is to be called as soon as it is there: what fails later leaves it in the state.
     */
    create(server: Server, inputs: PropertyMap, exists: () => void, signal: AbortSignal): Promise<void>;
    /** Live properties; undefined when the object is gone. `inputs` are empty on import. */
    read(server: Server, id: string, inputs: PropertyMap, signal: AbortSignal): Promise<PropertyMap | undefined>;
    /** Brings an object to the inputs and gives back its id, which may have changed. */
    update(server: Server, id: string, state: PropertyMap, inputs: PropertyMap, signal: AbortSignal): Promise<string>;
    delete(server: Server, id: string, state: PropertyMap, signal: AbortSignal): Promise<void>;
    /** What the official plugin's state has beside the properties. */
    meta?: string;
}

/** The namespace of a resource, below the provider's. */
export function namespaceOf(values: PropertyMap): string | undefined {
    return (values["namespace"] as string | null | undefined) ?? undefined;
}

/** A path without slashes at its ends. */
export function trim(path: unknown): string {
    return String(path).replace(/^\/+|\/+$/g, "");
}

/** A resource of the stand-in, from its kind. Previews and diffs need no server. */
export class VaultResource implements Resource {
    constructor(
        private readonly kind: Kind,
        private readonly server: () => Server,
    ) {}

    check({ news, olds, randomSeed }: CheckRequest, context: Context): CheckResult {
        const suffix = createHash("sha256").update(randomSeed).digest("hex").slice(0, 7);
        return {
            ...checkInputs(this.kind.properties, news, olds, context.name, suffix),
            secrets: this.#secrets(news),
        };
    }

    diff({ olds, news, ignoreChanges }: DiffRequest): DiffResult {
        const { properties, identity } = this.kind;
        const changes = compare(properties, olds, news);
        for (const path of [...changes.keys()]) {
            if (ignoreChanges.some((pattern) => pathCovers(pattern, path))) {
                changes.delete(path);
            }
        }
        const replaced = [...changes.values()].some((change) => change.replace);
        const named = identity !== undefined && !(news["__defaults"] as string[] | undefined)?.includes(identity);
        return {
            changes,
            stables: stables(properties),
            deleteBeforeReplace: replaced && named && olds[identity] === news[identity],
        };
    }

    async create({ inputs }: CreateRequest, context: Context): Promise<CreateResult> {
        const planned = plan(this.kind.properties, inputs, undefined);
        if (context.preview) {
            return { outputs: { ...planned, id: computed }, secrets: this.#secrets(planned) };
        }
        let made = false;
        const id = this.kind.id(inputs);
        try {
            await this.kind.create(this.server(), inputs, () => (made = true), context.signal);
            return { id, ...(await this.#written(id, inputs, planned, context)) };
        } catch (error) {
            if (!made) {
                throw error;
            }
            const known = Object.fromEntries(Object.entries(planned).filter(([, value]) => !hasComputed(value)));
            throw new PartialFailure(id, this.#outputs(id, known), [error as Error]);
        }
    }

    async read({ id, olds, inputs }: ReadRequest, context: Context): Promise<ReadResult | undefined> {
        const { properties } = this.kind;
        const live = await this.kind.read(this.server(), id, inputs, context.signal);
        if (!live) {
            return undefined;
        }
        const outputs = observe(properties, olds, live);
        return { id, inputs: projectInputs(properties, inputs, outputs), ...this.#outputs(id, outputs) };
    }

    async update({ id, olds, news }: UpdateRequest, context: Context): Promise<Outputs> {
        const planned = plan(this.kind.properties, news, olds);
        if (context.preview) {
            return this.#outputs(id, planned);
        }
        const now = await this.kind.update(this.server(), id, olds, news, context.signal);
        return this.#written(now, news, planned, context);
    }

    async delete({ id, olds }: DeleteRequest, context: Context): Promise<void> {
        await this.kind.delete(this.server(), id, olds, context.signal);
    }

    async #written(id: string, inputs: PropertyMap, planned: PropertyMap, context: Context): Promise<Outputs> {
        const live = await this.kind.read(this.server(), id, inputs, context.signal);
        if (!live) {
            throw new Error(`${context.type} ${id} was written and then not found: something else deletes it`);
        }
        return this.#outputs(id, settle(this.kind.properties, planned, live));
    }

    #outputs(id: string, properties: PropertyMap): Outputs {
        const outputs: PropertyMap = {
            ...properties,
            id,
            __pulumi_raw_state_delta: rawStateDelta(this.kind.properties, properties),
            ...(this.kind.meta && { __meta: this.kind.meta }),
        };
        return { outputs, secrets: this.#secrets(outputs) };
    }

    #secrets(values: PropertyMap): string[] {
        return Object.keys(values).filter((key) => this.kind.properties[key]?.secret);
    }
}
