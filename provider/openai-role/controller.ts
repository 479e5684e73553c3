// SPDX-License-Identifier: Apache-2.0
import { Duration, RiptidesError } from "../../api";
import type { Configuration } from "../configuration";
import { isMountMissing, sameAsWanted } from "../openai-config/mount";
import {
    computed,
    Computed,
    hasComputed,
    type Context,
    type DeleteRequest,
    type PropertyMap,
    type ReadRequest,
} from "../protocol";
import { payload, project, TableResource, type Update } from "../table";
import { roleTable } from "./schema";

/** `riptides:openai:Role` on `<mount>/roles/<name>`. */
export class Role extends TableResource<typeof roleTable> {
    constructor(private readonly configuration: Configuration) {
        super(roleTable);
    }

    protected override checkTogether({ ttl, maxTtl }: PropertyMap): void {
        if (ttl instanceof Computed || maxTtl instanceof Computed) {
            return;
        }
        const longest = Duration.parse(String(maxTtl));
        if (longest.milliseconds > 0 && Duration.parse(String(ttl)).compare(longest) > 0) {
            throw new RiptidesError("InvalidProperty", {
                property: "ttl",
                reason: `${String(ttl)} is longer than maxTtl, ${String(maxTtl)}`,
                fix: "Shorten ttl or lengthen maxTtl.",
            });
        }
    }

    protected override derived(inputs: PropertyMap): PropertyMap {
        return outputs(inputs);
    }

    protected async make(inputs: PropertyMap, context: Context) {
        const id = path(inputs);
        const openbao = this.configuration.openbao();
        const existing = await openbao.read(id, context.signal);
        if (existing) {
            sameAsWanted(roleTable, id, project(roleTable.inputs, existing, inputs), inputs);
        }
        await this.#write(inputs, context);
        return { id, outputs: outputs(inputs) };
    }

    protected async change({ news }: Update, context: Context) {
        await this.#write(news, context);
        return outputs(news);
    }

    protected async look({ id, inputs }: ReadRequest, context: Context) {
        const [mount, name] = parse(id);
        const data = await this.configuration
            .openbao()
            .read(id, context.signal)
            .catch((error: unknown) => {
                if (isMountMissing(error)) {
                    return undefined;
                }
                throw error;
            });
        if (!data) {
            return undefined;
        }
        const live = project(roleTable.inputs, data, { ...inputs, mount, name });
        return { id, inputs: live, outputs: outputs(live) };
    }

    protected async remove({ id }: DeleteRequest, context: Context): Promise<void> {
        const openbao = this.configuration.openbao();
        const [mount, name] = parse(id);
        try {
            // In this order no key can be made between the two, and a failed revocation can be tried again.
            await openbao.delete(id, context.signal);
            context.status("revoking live keys");
            await openbao.write(`sys/leases/revoke-prefix/${mount}/creds/${name}`, { sync: true }, context.signal);
        } catch (error) {
            // Unmounting the engine has revoked everything.
            if (!isMountMissing(error)) {
                throw error;
            }
        }
    }

    // The server keeps what a write leaves out, so every field is sent; a limit that was taken away is sent as 0.
    async #write(inputs: PropertyMap, context: Context): Promise<void> {
        const id = path(inputs);
        const openbao = this.configuration.openbao();
        const limited = inputs["maxLive"] === undefined && (await openbao.read(id, context.signal))?.["max_live"];
        const body = payload(roleTable.inputs, limited ? { ...inputs, maxLive: 0 } : inputs);
        const { warnings } = await openbao.write(id, body, context.signal);
        warnings.forEach((warning) => context.log("warning", warning));
    }
}

function path({ mount, name }: PropertyMap): string {
    return `${String(mount)}/roles/${String(name)}`;
}

function outputs({ mount, name }: PropertyMap): PropertyMap {
    const known = !hasComputed([mount ?? null, name ?? null]);
    return { credentialsPath: known ? `${String(mount)}/creds/${String(name)}` : computed };
}

function parse(id: string): [mount: string, name: string] {
    const match = /^(.+)\/roles\/([^/]+)$/.exec(id);
    if (!match) {
        throw new RiptidesError("InvalidProperty", {
            property: "id",
            reason: `${JSON.stringify(id)} is not the id of a role`,
            fix: `Use <mount>/roles/<name>, for example ${roleTable.importId}.`,
        });
    }
    return [match[1]!, match[2]!];
}
