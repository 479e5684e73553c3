// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Redaction } from "../../provider/protocol/redaction";

describe("provider: redaction", () => {
    it("leaves nothing of a secret that begins with another one", () => {
        const redaction = new Redaction();
        redaction.learn({ values: { short: "canary", long: "canary-and-more" }, secrets: new Set(["short", "long"]) });
        assert.equal(redaction.clean("canary, canary-and-more"), "[secret], [secret]");
    });
});
