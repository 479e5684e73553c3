// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../api";
import type { KernelSecret } from "../api/kernel-message";
import type { SecretShape } from "./injection-plan";
import { JsonBytes, JsonSpan } from "./json-bytes";

const property = "spec.propagation.injection";
const longest = 4_095;

/**
 * The parts of a source's data that go onto the wire, each in a buffer of its own: overwrite them when done.
 * @param content JSON object of the data; it is left as it is
 * @throws RiptidesError `SecretFieldUnusable`; it names fields that are there, never their values
 */
export function wireSecret(content: Buffer, shape: SecretShape): KernelSecret {
    const taken: Buffer[] = [];
    const find = (name: string, field: string): Buffer | undefined => {
        const value = fieldOf(content, field);
        if (!value?.length) {
            return undefined;
        }
        taken.push(value);
        if (value.length > longest || !isFieldValue(value)) {
            throw unusable(
                name,
                `${JSON.stringify(field)} is too long for a header, or holds control characters`,
                content,
            );
        }
        return value;
    };
    const take = (name: string, field: string): Buffer => {
        const value = find(name, field);
        if (!value) {
            throw unusable(name, `there is no text ${JSON.stringify(field)} in the data`, content);
        }
        return value;
    };
    try {
        if (shape.kind === "header") {
            return { kind: "header", value: take("field", shape.field) };
        }
        const accessKey = take("sigv4.accessKeyField", shape.accessKeyField);
        const secretKey = take("sigv4.secretKeyField", shape.secretKeyField);
        // A user's own keys have no session.
        const sessionToken = find("sigv4.sessionTokenField", shape.sessionTokenField);
        return { kind: "sigv4", accessKey, secretKey, ...(sessionToken ? { sessionToken } : {}) };
    } catch (error) {
        taken.forEach((value) => value.fill(0));
        throw error;
    }
}

/** A text of the data: a member of that name, else `a.b` for member `b` of member `a`. */
function fieldOf(content: Buffer, field: string): Buffer | undefined {
    const json = new JsonBytes(content);
    const within = (span: JsonSpan, rest: string): JsonSpan | undefined => {
        const members = json.members(span);
        const whole = members?.get(rest);
        const dot = rest.indexOf(".");
        const outer = dot > 0 ? members?.get(rest.slice(0, dot)) : undefined;
        return whole ?? (outer && within(outer, rest.slice(dot + 1)));
    };
    const span = within(json.root, field);
    return span && json.string(span);
}

const space = 0x20;

/** What may stand in a header (RFC 9110 section 5.5), and means there what it means in the source. */
function isFieldValue(value: Buffer): boolean {
    return value[0] !== space && value.at(-1) !== space && value.every((octet) => octet >= space && octet !== 0x7f);
}

function unusable(name: string, reason: string, content: Buffer): RiptidesError {
    const json = new JsonBytes(content);
    const names = [...(json.members(json.root)?.keys() ?? [])].sort();
    return new RiptidesError("SecretFieldUnusable", {
        property: `${property}.${name}`,
        reason: `${reason}, which has ${names.join(", ") || "no fields"}`,
    });
}
