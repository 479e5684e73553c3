// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fc from "fast-check";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import {
    childPath,
    computed,
    decode,
    diffProperties,
    encode,
    pathCovers,
    pathSteps,
    type PropertyMap,
    type Value,
} from "../../provider/protocol";
import { secretMark, unknownText } from "./client";

// jspb keeps maps in plain objects, where this one name has a meaning of its own.
const key = fc.string().filter((text) => text !== "__proto__");
const { properties } = fc.letrec<{ value: Value; properties: PropertyMap }>((tie) => ({
    value: fc.oneof(
        { maxDepth: 3 },
        fc.constant(null),
        fc.boolean(),
        fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
        fc.string(),
        fc.constant(computed),
        fc.array(tie("value"), { maxLength: 4 }),
        tie("properties"),
    ),
    properties: fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
}));

/** Every path of a value, parents before children. */
function paths(value: Value, path = ""): string[] {
    const own = path ? [path] : [];
    if (Array.isArray(value)) {
        return [...own, ...value.flatMap((item, index) => paths(item, childPath(path, index)))];
    }
    if (typeof value === "object" && value !== null && value !== computed) {
        return [...own, ...Object.entries(value).flatMap(([name, item]) => paths(item, childPath(path, name)))];
    }
    return own;
}

/** Outermost of some paths: what is below a secret needs no mark of its own. */
function outermost(chosen: readonly string[]): string[] {
    return chosen.filter((path) => !chosen.some((other) => other !== path && pathCovers(other, path)));
}

describe("wire values", () => {
    it("come back from the wire as they were, with their secrets", () => {
        fc.assert(
            fc.property(properties, fc.infiniteStream(fc.boolean()), (values, coin) => {
                const secrets = new Set(outermost(paths(values).filter(() => coin.next().value)));
                const bytes = encode({ values, secrets }).serializeBinary();
                const back = decode(Struct.deserializeBinary(bytes));
                assert.deepEqual(back.values, values);
                assert.deepEqual([...back.secrets].sort(), [...secrets].sort());
            }),
        );
    });

    it("have the engine's marks", () => {
        const struct = encode({ values: { a: { b: "x" }, c: computed }, secrets: new Set(["a.b"]) });
        assert.deepEqual(struct.toJavaScript(), { a: { b: secretMark("x") }, c: unknownText });
    });

    it("take output values and resource references for what they stand for", () => {
        const mark = "4dabf18193072939515e22adb298388d";
        const struct = Struct.fromJavaScript({
            known: { [mark]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", value: 1, secret: true },
            open: { [mark]: "d0e6a833031e9bbcd3f4e8bde6ca49a4" },
            custom: { [mark]: "5cf8f73096256a8f31e491e813e4eb8e", urn: "urn:x", id: "i-1" },
            component: { [mark]: "5cf8f73096256a8f31e491e813e4eb8e", urn: "urn:y" },
        });
        const { values, secrets } = decode(struct);
        assert.deepEqual(values, { known: 1, open: computed, custom: "i-1", component: "urn:y" });
        assert.deepEqual([...secrets], ["known"]);
    });

    it("refuse assets by property", () => {
        const asset = { "4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", text: "x" };
        assert.throws(() => decode(Struct.fromJavaScript({ file: asset })), /^RiptidesError: file: an asset/);
    });
});

describe("property paths", () => {
    it("give back the steps they were made of", () => {
        const steps = fc.array(fc.oneof(fc.nat(9), fc.string()), { minLength: 1 });
        fc.assert(
            fc.property(fc.string(), steps, (first, rest) => {
                const path = rest.reduce<string>(childPath, childPath("", first));
                assert.deepEqual(pathSteps(path), [first, ...rest]);
            }),
        );
    });

    it("cover themselves and what is below, with * for one step", () => {
        assert.ok(pathCovers("a", "a.b[0]"));
        assert.ok(pathCovers("a[*].b", "a[3].b.c"));
        assert.ok(pathCovers("a.*", "a.b"));
        assert.ok(!pathCovers("a.b", "a"));
        assert.ok(!pathCovers("a", "ab"));
    });
});

describe("diff", () => {
    it("of equal properties is empty, unless something is computed", () => {
        fc.assert(
            fc.property(properties, (values) => {
                const changes = diffProperties(values, structuredCopy(values));
                const open = paths(values).filter((path) => at(values, path) === computed);
                assert.deepEqual([...changes.keys()].sort(), open.sort());
            }),
        );
    });

    it("turned round, swaps additions and deletions", () => {
        const plain = properties.filter((values) => !paths(values).some((path) => at(values, path) === computed));
        fc.assert(
            fc.property(plain, plain, (olds, news) => {
                const kinds = (changes: ReturnType<typeof diffProperties>) =>
                    [...changes].map(([path, { kind }]) => `${path} ${kind}`).sort();
                const swap = { add: "delete", delete: "add", update: "update" } as const;
                const forth = [...diffProperties(olds, news)].map(([path, { kind }]) => `${path} ${swap[kind]}`).sort();
                assert.deepEqual(kinds(diffProperties(news, olds)), forth);
            }),
        );
    });

    it("names a change that lies under an ignored path never", () => {
        fc.assert(
            fc.property(properties, properties, (olds, news) => {
                const ignore = Object.keys(news).map((name) => childPath("", name));
                const changes = diffProperties(olds, news, { ignore });
                assert.ok([...changes.keys()].every((path) => !ignore.some((pattern) => pathCovers(pattern, path))));
            }),
        );
    });
});

function structuredCopy(value: PropertyMap): PropertyMap {
    return decode(encode({ values: value, secrets: new Set() })).values;
}

function at(value: Value, path: string): Value | undefined {
    return pathSteps(path).reduce<Value | undefined>(
        (inner, step) => (inner as Record<string | number, Value> | undefined)?.[step],
        value,
    );
}
