// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fc from "fast-check";
import { JsonBytes } from "../../agent/json-bytes";
import { wireSecret } from "../../agent/wire-secret";
import { RiptidesError } from "../../api";

const read = (text: string) => new JsonBytes(Buffer.from(text));

describe("agent: JSON as octets", () => {
    it("finds members and texts like JSON.parse, however the text is written", () => {
        const spaced = fc.constantFrom(undefined, 1, "\t");
        fc.assert(
            fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), spaced, (object, space) => {
                const text = JSON.stringify(object, null, space);
                const json = read(text);
                const members = json.members(json.root)!;
                assert.equal(json.compact(json.root).toString(), JSON.stringify(object));
                const known = JSON.parse(text) as Record<string, unknown>;
                assert.deepEqual([...members.keys()].sort(), Object.keys(known).sort());
                for (const [name, span] of members) {
                    const value = known[name];
                    const found = json.string(span)?.toString("utf8");
                    assert.equal(found, typeof value === "string" ? Buffer.from(value).toString() : undefined);
                    assert.equal(json.number(span), typeof value === "number" ? value : 0);
                }
            }),
        );
    });

    it("reads escapes that an encoder may choose", () => {
        const json = read(String.raw`"\u0041\/\"\\\n\ud83d\ude00\u003cé"`);
        assert.equal(json.string(json.root)!.toString(), 'A/"\\\n😀<é');
    });

    it("never takes for JSON what JSON.parse refuses in its structure", () => {
        for (const text of ["", "{", '{"a"}', '{"a":1', "[1,", '"a', '{"a":1}}', "[1 2]", "{1:2}", "<html>"]) {
            assert.throws(() => read(text).root, SyntaxError, text);
        }
    });
});

describe("agent: secret of the wire", () => {
    const content = (data: unknown) => Buffer.from(JSON.stringify(data));
    const header = (data: unknown, field = "api_key") => {
        const secret = wireSecret(content(data), { kind: "header", field });
        assert.equal(secret.kind, "header");
        return secret.kind === "header" ? Buffer.from(secret.value).toString() : "";
    };
    const sigv4 = {
        kind: "sigv4",
        accessKeyField: "access_key",
        secretKeyField: "secret_key",
        sessionTokenField: "security_token",
    } as const;

    it("is the field of the data, also of data within data", () => {
        assert.equal(header({ api_key: "sk-1" }), "sk-1");
        assert.equal(header({ data: { token: "t" }, metadata: {} }, "data.token"), "t");
        assert.equal(header({ "a.b": "whole", a: { b: "inner" } }, "a.b"), "whole");
    });

    it("is access key, secret key and, where there is one, session token", () => {
        const keys = { access_key: "AKIA", secret_key: "s/+=" };
        const parts = (data: object) => {
            const secret = wireSecret(content(data), sigv4);
            return secret.kind === "sigv4"
                ? [secret.accessKey, secret.secretKey, secret.sessionToken].map(
                      (part) => part && Buffer.from(part).toString(),
                  )
                : [];
        };
        assert.deepEqual(parts({ ...keys, security_token: "FwoG" }), ["AKIA", "s/+=", "FwoG"]);
        assert.deepEqual(parts({ ...keys, security_token: null }), ["AKIA", "s/+=", undefined]);
        assert.deepEqual(parts(keys), ["AKIA", "s/+=", undefined]);
    });

    it("names the fields that are there when the one asked for is not, and no value", () => {
        for (const data of [
            { key: "sk-secret" },
            { key: "sk-secret", api_key: 1 },
            { key: "sk-secret", api_key: "" },
        ]) {
            assert.throws(
                () => header(data),
                (error: RiptidesError) =>
                    error.code === "SecretFieldUnusable" &&
                    error.property === "spec.propagation.injection.field" &&
                    /"api_key".* has .*key/.test(error.message) &&
                    !error.message.includes("sk-secret"),
            );
        }
    });

    it("is refused when it cannot stand in a header, without being shown", () => {
        for (const value of [
            "sk-a\r\nHost: evil",
            "sk-a\n",
            " sk-a",
            "sk-a ",
            "sk-\u007fa",
            "sk-a\t",
            "s".repeat(4096),
        ]) {
            assert.throws(
                () => header({ api_key: value }),
                (error: RiptidesError) => error.code === "SecretFieldUnusable" && !error.message.includes(value.trim()),
            );
        }
    });
});
