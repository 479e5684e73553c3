// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { serverUrl } from "../../api";

const read = (text: string) =>
    serverUrl(text, { code: "InvalidProperty", property: "address", wanted: "the URL of a server", fix: "Mend it." });

describe("api: URL of a server", () => {
    it("is http or https", () => {
        assert.equal(read("https://bao.example.org:8200/prefix").hostname, "bao.example.org");
        for (const text of ["", "bao:8200", "ftp://bao", "https://"]) {
            assert.throws(() => read(text), { code: "InvalidProperty", property: "address" });
        }
        assert.throws(() => read("ftp://bao"), /"ftp:\/\/bao" is not the URL of a server/);
    });

    it("holds no credentials, and they are not repeated", () => {
        for (const text of [
            "https://u:canary@bao",
            "https://:canary@bao",
            "u:canary@bao",
            "https://bao?token=canary",
        ]) {
            assert.throws(
                () => read(text),
                (error: Error) => /with credentials/.test(error.message) && !error.message.includes("canary"),
            );
        }
    });
});
