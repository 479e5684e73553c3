// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";
import type { PropertyMap } from "../../../provider/protocol";
import { fieldOf, fromServer, type Properties } from "./property";
import { type Kind, namespaceOf, trim } from "./resource";
import type { Fields, Server } from "./server";

const statusPauseMs = 200;

// Fields of the mount's config object, by property.
const tuned: Properties = {
    allowedManagedKeys: { kind: "set" },
    allowedResponseHeaders: { kind: "list" },
    auditNonHmacRequestKeys: { kind: "list", computed: true },
    auditNonHmacResponseKeys: { kind: "list", computed: true },
    defaultLeaseTtlSeconds: { kind: "int", computed: true, field: "default_lease_ttl" },
    delegatedAuthAccessors: { kind: "list" },
    forceNoCache: { kind: "bool", computed: true },
    identityTokenKey: { kind: "string" },
    listingVisibility: { kind: "string" },
    maxLeaseTtlSeconds: { kind: "int", computed: true, field: "max_lease_ttl" },
    passthroughRequestHeaders: { kind: "list" },
    pluginVersion: { kind: "string" },
};

const properties: Properties = {
    ...tuned,
    accessor: { kind: "string", computed: true, output: true },
    description: { kind: "string" },
    externalEntropyAccess: { kind: "bool", replace: true, unset: false },
    local: { kind: "bool", replace: true },
    namespace: { kind: "string", replace: true },
    options: { kind: "map" },
    path: { kind: "string", required: true },
    sealWrap: { kind: "bool", replace: true, computed: true },
    type: { kind: "string", required: true, replace: true },
};

/** `vault:index/mount:Mount`: a secrets engine at a path. Id: the path. */
export const mount: Kind = {
    properties,
    id: (inputs) => trim(inputs["path"]),
    async create(server, inputs, exists, signal) {
        await server.write(
            `sys/mounts/${trim(inputs["path"])}`,
            namespaceOf(inputs),
            {
                type: inputs["type"],
                description: inputs["description"] ?? "",
                config: configOf(inputs, {}),
                local: inputs["local"] ?? false,
                seal_wrap: inputs["sealWrap"] ?? false,
                external_entropy_access: inputs["externalEntropyAccess"] ?? false,
                options: inputs["options"] ?? {},
            },
            signal,
        );
        exists();
    },
    async read(server, id, inputs, signal) {
        const mounts = await server.read("sys/mounts", namespaceOf(inputs), signal);
        const found = mounts?.[`${id}/`] as Fields | undefined;
        if (!found) {
            return undefined;
        }
        const config = found["config"] as Fields;
        const live: PropertyMap = {
            accessor: String(found["accessor"]),
            description: fromServer("string", found["description"]),
            externalEntropyAccess: fromServer("bool", found["external_entropy_access"]),
            local: fromServer("bool", found["local"]),
            namespace: namespaceOf(inputs) ?? null,
            options: fromServer("map", found["options"]),
            path: id,
            sealWrap: fromServer("bool", found["seal_wrap"]),
            type: String(found["type"]),
        };
        for (const [name, property] of Object.entries(tuned)) {
            live[name] = fromServer(property.kind, config[fieldOf(name, property)]);
        }
        // The version wanted: what runs may be older until the plugin is reloaded.
        live["pluginVersion"] = fromServer("string", found["plugin_version"]);
        return live;
    },
    async update(server, id, state, inputs, signal) {
        const path = trim(inputs["path"]);
        if (path !== id) {
            await remount(server, id, path, namespaceOf(inputs), signal);
        }
        await server.write(
            `sys/mounts/${path}/tune`,
            namespaceOf(inputs),
            {
                description: inputs["description"] ?? "",
                ...configOf(inputs, state),
                ...(inputs["options"] && { options: inputs["options"] }),
            },
            signal,
        );
        return path;
    },
    async delete(server, id, state, signal) {
        await server.delete(`sys/mounts/${id}`, namespaceOf(state), signal);
    },
};

/** Moves a mount; secrets engines by their path, auth methods as `auth/<path>`. */
export async function remount(
    server: Server,
    from: string,
    to: string,
    namespace: string | undefined,
    signal: AbortSignal,
): Promise<void> {
    const answer = await server.write("sys/remount", namespace, { from, to }, signal);
    const migration = answer?.["migration_id"];
    while (migration) {
        const status = await server.read(`sys/remount/status/${String(migration)}`, namespace, signal);
        const info = status?.["migration_info"] as Fields | undefined;
        if (info?.["status"] === "success") {
            return;
        }
        if (info?.["status"] !== "in-progress") {
            throw new Error(`moving the mount ${from} to ${to} ended with ${JSON.stringify(status)}`);
        }
        // The server has no event for it.
        await pause(statusPauseMs, undefined, { signal });
    }
}

/** The config object: what the program sets, and an empty value for what it no longer sets. */
function configOf(inputs: PropertyMap, state: PropertyMap): Fields {
    const config: Fields = {};
    for (const [name, property] of Object.entries(tuned)) {
        const value = inputs[name];
        const old = state[name];
        if (value !== undefined && value !== null) {
            config[fieldOf(name, property)] = name.endsWith("TtlSeconds") ? `${Number(value)}s` : value;
        } else if (!property.computed && old && (!Array.isArray(old) || old.length > 0)) {
            config[fieldOf(name, property)] = Array.isArray(old) ? [] : "";
        }
    }
    return config;
}
