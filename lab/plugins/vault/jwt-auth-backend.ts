// SPDX-License-Identifier: Apache-2.0
import type { PropertyMap, Value } from "../../../provider/protocol";
import { remount } from "./mount";
import { fieldOf, fromServer, type Properties } from "./property";
import { type Kind, namespaceOf, trim } from "./resource";
import type { Fields, Server } from "./server";

// Fields of auth/<path>/config, by property. A write replaces them all.
const configured: Properties = {
    boundIssuer: { kind: "string" },
    defaultRole: { kind: "string" },
    jwksCaPem: { kind: "string" },
    jwksPairs: { kind: "list" },
    jwksUrl: { kind: "string" },
    jwtSupportedAlgs: { kind: "list" },
    jwtValidationPubkeys: { kind: "list" },
    namespaceInState: { kind: "bool", preset: true, writeOnly: true },
    oidcClientId: { kind: "string" },
    oidcClientSecret: { kind: "string", secret: true, writeOnly: true },
    oidcDiscoveryCaPem: { kind: "string" },
    oidcDiscoveryUrl: { kind: "string" },
    oidcResponseMode: { kind: "string" },
    oidcResponseTypes: { kind: "list" },
    providerConfig: { kind: "map" },
};

const properties: Properties = {
    ...configured,
    accessor: { kind: "string", computed: true, output: true },
    description: { kind: "string" },
    disableRemount: { kind: "bool", unset: false, writeOnly: true },
    local: { kind: "bool", replace: true, unset: false },
    namespace: { kind: "string", replace: true },
    oidcClientSecretWo: { kind: "string", secret: true, writeOnly: true, output: true },
    oidcClientSecretWoVersion: { kind: "int", writeOnly: true, output: true },
    path: { kind: "string", preset: "jwt" },
    tune: { kind: "block", computed: true },
    type: { kind: "string", replace: true, preset: "jwt" },
};

const tuneFields: Properties = {
    allowedResponseHeaders: { kind: "list" },
    auditNonHmacRequestKeys: { kind: "list" },
    auditNonHmacResponseKeys: { kind: "list" },
    defaultLeaseTtl: { kind: "string" },
    listingVisibility: { kind: "string" },
    maxLeaseTtl: { kind: "string" },
    passthroughRequestHeaders: { kind: "list" },
    tokenType: { kind: "string" },
};

/** `vault:jwt/authBackend:AuthBackend`: a JWT auth method at a path, with its configuration. Id: the path. */
export const jwtAuthBackend: Kind = {
    properties,
    meta: '{"schema_version":"1"}',
    id: (inputs) => trim(inputs["path"]),
    async create(server, inputs, exists, signal) {
        const path = trim(inputs["path"]);
        await server.write(
            `sys/auth/${path}`,
            namespaceOf(inputs),
            { type: inputs["type"], description: inputs["description"] ?? "", local: inputs["local"] ?? false },
            signal,
        );
        exists();
        await configure(server, path, {}, inputs, signal);
    },
    async read(server, id, inputs, signal) {
        const namespace = namespaceOf(inputs);
        const methods = await server.read("sys/auth", namespace, signal);
        const found = methods?.[`${id}/`] as Fields | undefined;
        if (!found) {
            return undefined;
        }
        const config = (await server.read(`auth/${id}/config`, namespace, signal)) ?? {};
        const tune = (await server.read(`sys/mounts/auth/${id}/tune`, namespace, signal)) ?? {};
        const live: PropertyMap = {
            accessor: String(found["accessor"]),
            description: fromServer("string", found["description"]),
            local: fromServer("bool", found["local"]),
            namespace: namespace ?? null,
            path: id,
            tune: tuneOf(tune),
            type: String(found["type"]),
        };
        for (const [name, property] of Object.entries(configured)) {
            live[name] = fromServer(property.kind, config[fieldOf(name, property)]);
        }
        return live;
    },
    async update(server, id, state, inputs, signal) {
        const path = trim(inputs["path"]);
        if (path !== id) {
            await remount(server, `auth/${id}`, `auth/${path}`, namespaceOf(inputs), signal);
        }
        await configure(server, path, state, inputs, signal);
        return path;
    },
    async delete(server, id, state, signal) {
        await server.delete(`sys/auth/${id}`, namespaceOf(state), signal);
    },
};

async function configure(
    server: Server,
    path: string,
    state: PropertyMap,
    inputs: PropertyMap,
    signal: AbortSignal,
): Promise<void> {
    const fields: Fields = {};
    for (const [name, property] of Object.entries(configured)) {
        const value = inputs[name];
        if (value !== undefined && value !== null) {
            fields[fieldOf(name, property)] = value;
        }
    }
    await server.write(`auth/${path}/config`, namespaceOf(inputs), fields, signal);
    const tune: Fields = {};
    for (const [name, value] of Object.entries((inputs["tune"] ?? {}) as PropertyMap)) {
        tune[fieldOf(name, tuneFields[name] ?? { kind: "string" })] = value;
    }
    const description = inputs["description"] ?? "";
    if (state["id"] !== undefined && description !== (state["description"] ?? "")) {
        tune["description"] = description;
    }
    if (Object.keys(tune).length > 0) {
        await server.write(`sys/mounts/auth/${path}/tune`, namespaceOf(inputs), tune, signal);
    }
}

function tuneOf(fields: Fields): Value {
    const tune: PropertyMap = {};
    for (const [name, property] of Object.entries(tuneFields)) {
        const value = fields[fieldOf(name, property)];
        tune[name] = name.endsWith("LeaseTtl") ? span(Number(value ?? 0)) : fromServer(property.kind, value);
    }
    return tune;
}

/** Seconds in the notation of Go without zero parts: 2764800 = 768h, 5400 = 1h30m. */
export function span(seconds: number): string {
    const parts = [
        [Math.floor(seconds / 3600), "h"],
        [Math.floor((seconds % 3600) / 60), "m"],
        [seconds % 60, "s"],
    ] as const;
    return (
        parts
            .filter(([count]) => count > 0)
            .map(([count, unit]) => `${count}${unit}`)
            .join("") || "0s"
    );
}
