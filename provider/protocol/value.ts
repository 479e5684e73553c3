// SPDX-License-Identifier: Apache-2.0
import { inspect } from "node:util";
import { Struct, Value as WireValue, ListValue, NullValue } from "google-protobuf/google/protobuf/struct_pb";
import { RiptidesError } from "../../api";
import { childPath } from "./path";

// Marks of the wire, from the Pulumi SDK (runtime/rpc).
const markKey = "4dabf18193072939515e22adb298388d";
const secretMark = "1b47061264138c4ac30d75fd1eb44270";
const assetMark = "c44067f5952c0a294b673a41bacd8c17";
const archiveMark = "0def7320c3a5731c473e5ecbe6d01bc7";
const resourceMark = "5cf8f73096256a8f31e491e813e4eb8e";
const outputMark = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

// One text for each type an unknown may have; we send the first, the engine may send any.
const unknownTexts = [
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
];
const unknownSet: ReadonlySet<string> = new Set(unknownTexts);

/** The type of {@link computed}. */
export class Computed {
    toString(): string {
        return "[computed]";
    }

    [inspect.custom](): string {
        return "[computed]";
    }
}

/** Stands where a value is not known before `up`. Only in previews. */
export const computed = new Computed();

/** A property value without wire marks. */
export type Value = null | boolean | number | string | Computed | Value[] | { [key: string]: Value };

/** Properties of a resource, by name. */
export type PropertyMap = { [key: string]: Value };

/** Properties with the paths (`a.b[0]`) of the values that are secret, each with everything below it. */
export interface Properties {
    values: PropertyMap;
    secrets: ReadonlySet<string>;
}

/** Says whether a value is a map, and not a list or a computed value. */
export function isMap(value: Value | undefined): value is PropertyMap {
    return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Computed);
}

/** Says whether a value is computed, or holds one at any depth. */
export function hasComputed(value: Value | undefined): boolean {
    if (value instanceof Computed) {
        return true;
    }
    if (Array.isArray(value)) {
        return value.some(hasComputed);
    }
    return isMap(value) && Object.values(value).some(hasComputed);
}

/**
 * Takes the wire marks off.
 * @throws RiptidesError `InvalidProperty` for assets and archives, which no resource here takes.
 */
export function decode(struct: Struct | undefined): Properties {
    const secrets = new Set<string>();
    return { values: struct ? decodeStruct(struct, "", secrets) : {}, secrets };
}

function decodeStruct(struct: Struct, path: string, secrets: Set<string>): PropertyMap {
    const entries: [string, Value][] = [];
    struct.getFieldsMap().forEach((value, key) => {
        entries.push([key, decodeValue(value, childPath(path, key), secrets)]);
    });
    return Object.fromEntries(entries);
}

function decodeValue(value: WireValue, path: string, secrets: Set<string>): Value {
    switch (value.getKindCase()) {
        case WireValue.KindCase.BOOL_VALUE:
            return value.getBoolValue();
        case WireValue.KindCase.NUMBER_VALUE:
            return value.getNumberValue();
        case WireValue.KindCase.STRING_VALUE: {
            const text = value.getStringValue();
            return unknownSet.has(text) ? computed : text;
        }
        case WireValue.KindCase.LIST_VALUE:
            return value
                .getListValue()!
                .getValuesList()
                .map((item, index) => decodeValue(item, childPath(path, index), secrets));
        case WireValue.KindCase.STRUCT_VALUE:
            return decodeMarked(value.getStructValue()!, path, secrets);
        default:
            return null;
    }
}

function decodeMarked(struct: Struct, path: string, secrets: Set<string>): Value {
    const fields = struct.getFieldsMap();
    const mark = fields.get(markKey)?.getStringValue();
    const inner = fields.get("value");
    switch (mark) {
        case undefined:
            return decodeStruct(struct, path, secrets);
        case secretMark:
            secrets.add(path);
            return inner ? decodeValue(inner, path, secrets) : null;
        case outputMark:
            if (fields.get("secret")?.getBoolValue()) {
                secrets.add(path);
            }
            return inner ? decodeValue(inner, path, secrets) : computed;
        case resourceMark: {
            // A reference is its id; a component, which has none, is its URN.
            const id = fields.get("id");
            return id ? decodeValue(id, path, secrets) || computed : fields.get("urn")!.getStringValue();
        }
        case assetMark:
        case archiveMark:
            throw new RiptidesError("InvalidProperty", {
                property: path,
                reason: "an asset or archive is not taken here",
                fix: "Give the text itself.",
            });
        default:
            throw new RiptidesError("InvalidProperty", {
                property: path,
                reason: `a value of the unknown wire kind ${mark} came from the engine`,
                fix: "Use a Pulumi CLI of the range in docs/compatibility.md.",
            });
    }
}

/** Puts the wire marks on: values at `secrets` are wrapped, computed values become unknowns, undefined members vanish. */
export function encode({ values, secrets }: Properties): Struct {
    return encodeMap(values, "", secrets, false);
}

function encodeMap(map: PropertyMap, path: string, secrets: ReadonlySet<string>, wrapped: boolean): Struct {
    const struct = new Struct();
    const fields = struct.getFieldsMap();
    for (const [key, value] of Object.entries(map)) {
        if (value !== undefined) {
            fields.set(key, encodeValue(value, childPath(path, key), secrets, wrapped));
        }
    }
    return struct;
}

function encodeValue(value: Value, path: string, secrets: ReadonlySet<string>, wrapped: boolean): WireValue {
    // What is below a secret is secret with it: one mark is enough.
    if (!wrapped && secrets.has(path)) {
        const struct = new Struct();
        struct.getFieldsMap().set(markKey, textValue(secretMark));
        struct.getFieldsMap().set("value", encodeValue(value, path, secrets, true));
        return structValue(struct);
    }
    const wire = new WireValue();
    if (value === null) {
        wire.setNullValue(NullValue.NULL_VALUE);
    } else if (value instanceof Computed) {
        wire.setStringValue(unknownTexts[0]!);
    } else if (Array.isArray(value)) {
        const list = new ListValue();
        list.setValuesList(value.map((item, index) => encodeValue(item, childPath(path, index), secrets, wrapped)));
        wire.setListValue(list);
    } else if (typeof value === "boolean") {
        wire.setBoolValue(value);
    } else if (typeof value === "number") {
        wire.setNumberValue(value);
    } else if (typeof value === "string") {
        wire.setStringValue(value);
    } else {
        wire.setStructValue(encodeMap(value, path, secrets, wrapped));
    }
    return wire;
}

function textValue(text: string): WireValue {
    const wire = new WireValue();
    wire.setStringValue(text);
    return wire;
}

function structValue(struct: Struct): WireValue {
    const wire = new WireValue();
    wire.setStructValue(struct);
    return wire;
}
