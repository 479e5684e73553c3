// SPDX-License-Identifier: Apache-2.0
import type { CredentialBindingSpec, ServiceSpec } from "./crd/types";
import { framingHeaders, pathPrefixPattern } from "./crd/injection";
import { RiptidesError } from "./failure";

/** `propagation.injection` of a CredentialBinding. */
export type InjectionSpec = NonNullable<CredentialBindingSpec["propagation"]["injection"]>;

/** One request that may be sent; a rule without `method` takes every method. */
export interface InjectionRule {
    method?: string;
    /** Ends at a path segment. */
    path: string;
}

export const injectionDefaults = {
    header: "Authorization",
    scheme: "Bearer",
    field: "api_key",
    port: 443,
    bodyLimit: 1_048_576,
    accessKeyField: "access_key",
    secretKeyField: "secret_key",
    sessionTokenField: "security_token",
} as const;

/** Most rules of one injection, and longest texts in octets. */
const limits = { rules: 32, header: 63, scheme: 62, method: 15, path: 255, bodyLimit: 16_777_216 };

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Checks what a binding asks of injection, but for its Services. The API server checks the same; a program is told in
 * preview, and a cluster may have an older definition.
 * @param property where it stands, for messages
 * @throws RiptidesError `InvalidProperty`
 */
export function checkInjection(spec: InjectionSpec, property: string): void {
    const { header, scheme, field, sigv4, allow } = spec;
    if (header !== undefined) {
        checkHeader(header, `${property}.header`);
    }
    if (scheme !== undefined && (!/^[!-~]*$/.test(scheme) || scheme.length > limits.scheme)) {
        throw refused(`${property}.scheme`, scheme, `a word of at most ${limits.scheme} characters, or nothing`);
    }
    if (sigv4 && (header ?? scheme ?? field) !== undefined) {
        throw new RiptidesError("InvalidProperty", {
            property: `${property}.sigv4`,
            reason: "a signature takes the place of header, scheme and field",
            fix: "Give sigv4, or header, scheme and field.",
        });
    }
    if (sigv4?.bodyLimit !== undefined) {
        const { bodyLimit } = sigv4;
        if (!Number.isInteger(bodyLimit) || bodyLimit < 1 || bodyLimit > limits.bodyLimit) {
            throw refused(`${property}.sigv4.bodyLimit`, bodyLimit, `a number of bytes from 1 to ${limits.bodyLimit}`);
        }
    }
    for (const [name, word] of [
        ["region", sigv4?.region],
        ["service", sigv4?.service],
    ] as const) {
        if (word !== undefined && !/^[a-z0-9-]{1,63}$/.test(word)) {
            throw refused(`${property}.sigv4.${name}`, word, "lower-case letters, digits and -");
        }
    }
    injectionRules(allow, `${property}.allow`);
}

function checkHeader(header: string, property: string): void {
    if (!token.test(header) || header.length > limits.header) {
        throw refused(property, header, `a header name of at most ${limits.header} characters`);
    }
    if (framingHeaders.includes(header.toLowerCase())) {
        throw refused(property, header, "another header: this one says what the request or its connection is");
    }
}

/**
 * The rules of `allow`, every method with every path; none when everything is allowed.
 * @throws RiptidesError `InvalidProperty`
 */
export function injectionRules(allow: InjectionSpec["allow"], property: string): InjectionRule[] {
    if (!allow) {
        return [];
    }
    const rules = new Map<string, InjectionRule>();
    allow.forEach(({ methods, pathPrefixes }, index) => {
        const place = `${property}[${index}]`;
        if (methods?.length === 0 || pathPrefixes?.length === 0 || !(methods ?? pathPrefixes)) {
            throw refused(place, allow[index], "methods, pathPrefixes or both, none of them empty");
        }
        for (const method of methods ?? [undefined]) {
            if (method !== undefined && (!/^[A-Z]+$/.test(method) || method.length > limits.method)) {
                throw refused(`${place}.methods`, method, "a method in capitals");
            }
            for (const path of pathPrefixes ?? ["/"]) {
                if (!isPathPrefix(path)) {
                    throw refused(
                        `${place}.pathPrefixes`,
                        path,
                        "an absolute path without query, escapes, . or .. segments",
                    );
                }
                rules.set(`${method ?? ""} ${path}`, { ...(method === undefined ? {} : { method }), path });
            }
        }
    });
    if (rules.size === 0 || rules.size > limits.rules) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: `it makes ${rules.size} pairs of method and path, and 1 to ${limits.rules} are possible`,
            fix: rules.size === 0 ? "Leave it out to allow every request." : "Use shorter lists.",
        });
    }
    return [...rules.values()];
}

function isPathPrefix(path: string): boolean {
    const plain = new RegExp(pathPrefixPattern).test(path) && path.length <= limits.path;
    return plain && !path.split("/").some((segment) => segment === "." || segment === "..");
}

/** Says whether one of the selectors matches: all its keys, and of a list value any member. */
export function labelsMatch(labels: ServiceSpec["labels"], selectors: InjectionSpec["selectors"]): boolean {
    return selectors.some((selector) => {
        const wanted = Object.entries(selector);
        // An empty selector would match every Service.
        return wanted.length > 0 && wanted.every(([key, value]) => [value].flat().map(String).includes(labels[key]!));
    });
}

/** A DNS name in lower case without its final dot; `undefined` for anything that no certificate names. */
export function dnsName(text: string): string | undefined {
    const name = text.toLowerCase().replace(/\.$/, "");
    const labels = name.split(".");
    const sound = labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
    // A last label of digits is the end of an IPv4 address.
    return sound && name.length <= 253 && !/^\d+$/.test(labels.at(-1)!) ? name : undefined;
}

function refused(property: string, value: unknown, wanted: string): RiptidesError {
    return new RiptidesError("InvalidProperty", {
        property,
        reason: `${JSON.stringify(value)} is refused`,
        fix: `Use ${wanted}.`,
    });
}
