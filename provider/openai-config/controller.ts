// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../../api";
import type { Configuration } from "../configuration";
import { type Context, type DeleteRequest, type PropertyMap, type ReadRequest } from "../protocol";
import { payload, project, TableResource, type Update } from "../table";
import { isMountMissing, sameAsWanted } from "./mount";
import { configTable } from "./schema";

// What the server has for an input that was never given.
const standard = { rotationPeriod: "0s", allowInsecureEndpoint: false };

/** `riptides:openai:Config` on `<mount>/config`. */
export class Config extends TableResource<typeof configTable> {
    constructor(private readonly configuration: Configuration) {
        super(configTable);
    }

    protected async make(inputs: PropertyMap, context: Context) {
        const id = `${String(inputs["mount"])}/config`;
        const existing = await this.configuration.openbao().read(id, context.signal);
        if (existing) {
            sameAsWanted(configTable, id, project(configTable.inputs, existing, inputs), inputs);
        }
        await this.#write(id, inputs, context);
        return { id };
    }

    protected async change({ id, oldInputs, news, changed }: Update, context: Context) {
        // A key belongs to its id: one without the other would make a rotation delete the wrong key.
        const both = changed.has("adminApiKey") || changed.has("adminApiKeyId");
        const sent = (name: string) => changed.has(name) || (both && name.startsWith("adminApiKey"));
        // The server keeps what a write leaves out; what was taken away goes back to the server's default.
        const removed = Object.entries(standard).filter(([name]) => name in oldInputs && !(name in news));
        await this.#write(id, { ...news, ...Object.fromEntries(removed) }, context, sent);
        return undefined;
    }

    protected async look({ id, inputs }: ReadRequest, context: Context) {
        const mount = parse(id);
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
        const live = project(configTable.inputs, data, { ...inputs, mount });
        // A rotation has replaced the program's key by one of the engine's own: that is no drift.
        if (data["last_rotated"] && inputs["adminApiKeyId"] !== undefined) {
            live["adminApiKeyId"] = inputs["adminApiKeyId"];
        }
        return { id, inputs: live };
    }

    protected async remove({ id }: DeleteRequest, context: Context): Promise<void> {
        const openbao = this.configuration.openbao();
        const mount = parse(id);
        try {
            context.status("revoking live keys");
            await openbao.write(`sys/leases/revoke-prefix/${mount}/creds`, { sync: true }, context.signal);
            await openbao.delete(id, context.signal);
        } catch (error) {
            // Unmounting the engine has revoked everything.
            if (!isMountMissing(error)) {
                throw error;
            }
        }
    }

    async #write(id: string, inputs: PropertyMap, context: Context, sent?: (name: string) => boolean): Promise<void> {
        const body = payload(configTable.inputs, inputs, sent);
        if ("admin_api_key" in body) {
            body["admin_api_key"] = this.reveal(body["admin_api_key"], "adminApiKey").reveal();
        }
        const { warnings } = await this.configuration.openbao().write(id, body, context.signal);
        warnings.forEach((warning) => context.log("warning", warning));
    }
}

function parse(id: string): string {
    const match = /^(.+)\/config$/.exec(id);
    if (!match) {
        throw new RiptidesError("InvalidProperty", {
            property: "id",
            reason: `${JSON.stringify(id)} is not the id of a configuration`,
            fix: `Use <mount>/config, for example ${configTable.importId}.`,
        });
    }
    return match[1]!;
}
