// SPDX-License-Identifier: Apache-2.0
import { messageOf, RiptidesError } from "../../api";
import type { Configuration } from "../configuration";
import {
    isMap,
    type Changes,
    type Context,
    type DeleteRequest,
    type DiffRequest,
    type PropertyMap,
    type ReadRequest,
} from "../protocol";
import { TableResource, type Update } from "../table";
import { Catalog, type Entry, type RunningMount } from "./catalog";
import { pluginTable } from "./schema";

/** `riptides:openai:Plugin` on `sys/plugins/catalog/secret/<name>`. */
export class Plugin extends TableResource<typeof pluginTable> {
    constructor(private readonly configuration: Configuration) {
        super(pluginTable);
    }

    protected override derived(inputs: PropertyMap): PropertyMap {
        return running(inputs, []);
    }

    // A server that runs something else than the catalog says is brought in line by an update.
    protected override liveChanges({ olds, news }: DiffRequest): Changes {
        const changes: Changes = new Map();
        const pairs = { runningVersion: "version", runningSha256: "sha256" };
        for (const [running, wanted] of Object.entries(pairs)) {
            if (typeof olds[running] === "string" && olds[running] !== olds[wanted] && olds[running] !== news[wanted]) {
                changes.set(running, { kind: "update", replace: false, input: false });
            }
        }
        return changes;
    }

    protected async make(inputs: PropertyMap, context: Context) {
        const catalog = this.#catalog(inputs, context);
        await this.#install(catalog, inputs, context);
        return { id: String(inputs["name"]), outputs: running(inputs, []) };
    }

    protected async change({ oldInputs, news }: Update, context: Context) {
        const catalog = this.#catalog(news, context);
        await this.#install(catalog, news, context);
        const old = String(oldInputs["version"]);
        if (old !== news["version"]) {
            const left = (await catalog.mounts(undefined)).filter((mount) => mount.runningVersion === old);
            if (left.length > 0) {
                context.log("warning", `${old} stays registered: ${paths(left)} still run it and are not among mounts`);
            } else if ((await catalog.entry(old))?.declarative) {
                context.log("warning", `${old} stays registered: the server's configuration file declares it by now`);
            } else {
                await catalog.deregister(old);
            }
        }
        return running(news, []);
    }

    protected async look({ id, inputs, olds }: ReadRequest, context: Context) {
        const [name, asked] = id.split("@") as [string, string?];
        const version = asked ?? (inputs["version"] as string | undefined) ?? (olds["version"] as string | undefined);
        if (!version) {
            throw new RiptidesError("InvalidProperty", {
                property: "id",
                reason: `${JSON.stringify(id)} names no version`,
                fix: `Use <name>@<version>, for example ${pluginTable.importId}.`,
            });
        }
        const catalog = this.#catalog({ name }, context);
        const entry = await catalog.entry(version);
        if (!entry) {
            return undefined;
        }
        refuseDeclarative(name, version, entry);
        const { command, sha256, args } = entry;
        const live: PropertyMap = { ...inputs, name, version, command, sha256 };
        if (args.length > 0 || inputs["args"] !== undefined) {
            live["args"] = args;
        }
        const mounts = await catalog.mounts(inputs["mounts"] as string[] | undefined);
        return { id: name, inputs: live, outputs: running(live, mounts) };
    }

    protected async remove({ id, oldInputs }: DeleteRequest, context: Context): Promise<void> {
        const [name] = id.split("@") as [string];
        const version = String(oldInputs["version"]);
        const catalog = this.#catalog({ name }, context);
        const users = (await catalog.mounts(undefined)).filter((mount) => mount.runningVersion === version);
        if (users.length > 0) {
            throw new RiptidesError("VaultRequestRefused", {
                reason: `${paths(users)} still run ${name} ${version}: without the catalog entry they and their leases would be lost at the next reload`,
                fix: "Unmount them first; in a program, make the mount depend on the plugin.",
            });
        }
        const entry = await catalog.entry(version);
        if (entry) {
            refuseDeclarative(name, version, entry);
            await catalog.deregister(version);
        }
    }

    // Registers, tries, switches. Whatever fails, the catalog is left as it was.
    async #install(catalog: Catalog, inputs: PropertyMap, context: Context): Promise<void> {
        const version = String(inputs["version"]);
        const before = await catalog.entry(version);
        refuseDeclarative(String(inputs["name"]), version, before);
        const mounts = await catalog.mounts(inputs["mounts"] as string[] | undefined);
        const wanted = {
            command: String(inputs["command"]),
            sha256: String(inputs["sha256"]),
            args: (inputs["args"] as string[] | undefined) ?? [],
        };
        context.status(`registering ${version}`);
        await catalog.register(version, wanted, this.#environment(inputs));
        try {
            context.status(`trying ${version}`);
            await catalog.tryOut(version);
            const stale = mounts.filter(
                (mount) => mount.runningVersion !== version || mount.runningSha256 !== wanted.sha256,
            );
            await catalog.switchTo(version, wanted.sha256, stale);
        } catch (error) {
            const after = catalog.afterwards();
            const restored = before
                ? after.register(version, before, this.#environment(inputs))
                : after.deregister(version);
            await restored.catch((second: unknown) => {
                context.log("error", `the catalog entry ${version} could not be put back: ${messageOf(second)}`);
            });
            throw error;
        }
    }

    #environment(inputs: PropertyMap): string[] {
        const values = inputs["env"];
        return isMap(values)
            ? Object.entries(values).map(([key, text]) => `${key}=${this.reveal(text, `env.${key}`).reveal()}`)
            : [];
    }

    #catalog(inputs: PropertyMap, context: Context): Catalog {
        return new Catalog(this.configuration.openbao(), String(inputs["name"]), context);
    }
}

// Mounts that come later run what the catalog says, so without any, that is what runs.
function running({ version, sha256 }: PropertyMap, mounts: readonly RunningMount[]): PropertyMap {
    const odd = mounts.find((mount) => mount.runningVersion !== version || mount.runningSha256 !== sha256);
    return {
        runningVersion: odd?.runningVersion ?? version ?? null,
        runningSha256: odd?.runningSha256 ?? sha256 ?? null,
    };
}

function refuseDeclarative(name: string, version: string, entry: Entry | undefined): void {
    if (entry?.declarative) {
        throw new RiptidesError("PluginDeclarative", {
            reason: `${name} ${version} is declared in the server's configuration file`,
        });
    }
}

function paths(mounts: readonly RunningMount[]): string {
    return mounts.map((mount) => mount.path).join(", ");
}
