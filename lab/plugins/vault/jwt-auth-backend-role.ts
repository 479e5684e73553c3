// SPDX-License-Identifier: Apache-2.0
import type { PropertyMap, Value } from "../../../provider/protocol";
import { fieldOf, fromServer, type Properties } from "./property";
import { type Kind, namespaceOf, trim } from "./resource";
import type { Fields } from "./server";

// Fields of auth/<backend>/role/<name>, by property. A write changes only what it names.
const written: Properties = {
    allowedRedirectUris: { kind: "set" },
    boundAudiences: { kind: "set" },
    boundClaims: { kind: "map" },
    boundClaimsType: { kind: "string", computed: true },
    boundSubject: { kind: "string" },
    claimMappings: { kind: "map" },
    clockSkewLeeway: { kind: "int", unset: 0 },
    expirationLeeway: { kind: "int", unset: 0 },
    groupsClaim: { kind: "string" },
    maxAge: { kind: "int" },
    notBeforeLeeway: { kind: "int", unset: 0 },
    oidcScopes: { kind: "set" },
    roleType: { kind: "string", computed: true, replace: true },
    tokenBoundCidrs: { kind: "set" },
    tokenExplicitMaxTtl: { kind: "int" },
    tokenMaxTtl: { kind: "int" },
    tokenNoDefaultPolicy: { kind: "bool" },
    tokenNumUses: { kind: "int" },
    tokenPeriod: { kind: "int" },
    tokenPolicies: { kind: "set" },
    tokenTtl: { kind: "int" },
    tokenType: { kind: "string", computed: true },
    userClaim: { kind: "string", required: true },
    userClaimJsonPointer: { kind: "bool", unset: false },
    verboseOidcLogging: { kind: "bool", unset: false },
};

const properties: Properties = {
    ...written,
    // Vault Enterprise only; OpenBao's role has no such field.
    aliasMetadata: { kind: "map" },
    backend: { kind: "string", preset: "jwt", replace: true },
    disableBoundClaimsParsing: { kind: "bool", unset: false, writeOnly: true },
    namespace: { kind: "string", replace: true },
    roleName: { kind: "string", required: true, replace: true },
};

// Where the server says null, the official plugin leaves the state alone.
const leftAlone = ["allowedRedirectUris", "claimMappings"];

const idPattern = /^auth\/(.+)\/role\/([^/]+)$/;

/** `vault:jwt/authBackendRole:AuthBackendRole`: a role of a JWT auth method. Id: its path. */
export const jwtAuthBackendRole: Kind = {
    properties,
    id: (inputs) => `auth/${trim(inputs["backend"])}/role/${trim(inputs["roleName"])}`,
    async create(server, inputs, exists, signal) {
        await server.write(this.id(inputs), namespaceOf(inputs), fieldsOf(inputs, {}), signal);
        exists();
    },
    async read(server, id, inputs, signal) {
        const [, backend, roleName] = idPattern.exec(id) ?? [];
        if (!backend || !roleName) {
            throw new Error(`the id "${id}" is not of the form auth/<backend>/role/<name>`);
        }
        const fields = await server.read(id, namespaceOf(inputs), signal);
        if (!fields) {
            return undefined;
        }
        const live: PropertyMap = { aliasMetadata: {}, backend, namespace: namespaceOf(inputs) ?? null, roleName };
        for (const [name, property] of Object.entries(written)) {
            const value = fields[fieldOf(name, property)];
            const isNull = value === null || value === undefined;
            live[name] = isNull && leftAlone.includes(name) ? null : fromServer(property.kind, value);
        }
        live["boundClaims"] = joinClaims(live["boundClaims"] as PropertyMap);
        return live;
    },
    async update(server, id, state, inputs, signal) {
        await server.write(id, namespaceOf(inputs), fieldsOf(inputs, state), signal);
        return id;
    },
    async delete(server, id, state, signal) {
        await server.delete(id, namespaceOf(state), signal);
    },
};

/** What the program sets, and an empty value for what it no longer sets. */
function fieldsOf(inputs: PropertyMap, state: PropertyMap): Fields {
    const fields: Fields = {};
    for (const [name, property] of Object.entries(written)) {
        const value = inputs[name];
        const field = fieldOf(name, property);
        if (value !== undefined && value !== null) {
            fields[field] =
                name === "boundClaims" && inputs["disableBoundClaimsParsing"] !== true ? splitClaims(value) : value;
        } else if (!property.computed && state[name] !== undefined && state[name] !== null) {
            fields[field] = property.unset ?? fromServer(property.kind, undefined);
        }
    }
    return fields;
}

// Several accepted values of a claim are one text with commas in the program.
function splitClaims(claims: Value): Fields {
    return Object.fromEntries(
        Object.entries(claims as PropertyMap).map(([claim, values]) => [
            claim,
            String(values)
                .split(",")
                .map((value) => value.trim()),
        ]),
    );
}

function joinClaims(claims: PropertyMap): PropertyMap {
    return Object.fromEntries(
        Object.entries(claims).map(([claim, values]) => [
            claim,
            Array.isArray(values) ? values.join(",") : String(values),
        ]),
    );
}
