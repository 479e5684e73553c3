// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fc from "fast-check";
import { isSpoofable, parseSelectors, RiptidesError } from "../../api";

describe("selectors", () => {
    it("keeps one conjunction a selector", () => {
        assert.deepEqual(
            parseSelectors([{ "process:binary:path": "/usr/local/bin/ai-agent", "systemd:unit": "ai-agent.service" }]),
            [{ "process:binary:path": "/usr/local/bin/ai-agent", "systemd:unit": "ai-agent.service" }],
        );
    });

    it("expands lists into alternatives", () => {
        assert.deepEqual(parseSelectors([{ "process:name": ["cat", "curl"], "process:uid": [0, 1001] }]), [
            { "process:name": "cat", "process:uid": "0" },
            { "process:name": "cat", "process:uid": "1001" },
            { "process:name": "curl", "process:uid": "0" },
            { "process:name": "curl", "process:uid": "1001" },
        ]);
    });

    it("expands to the product of the list lengths, each alternative with every key", () => {
        const lists = fc.array(fc.integer({ min: 0, max: 65535 }), { minLength: 1, maxLength: 4 });
        fc.assert(
            fc.property(lists, lists, (uids, gids) => {
                const expanded = parseSelectors([{ "process:uid": uids, "process:gid": gids }]);
                assert.equal(expanded.length, uids.length * gids.length);
                assert.ok(expanded.every((one) => Object.keys(one).length === 2));
            }),
        );
    });

    for (const [bad, reason] of [
        [[], "no selector"],
        [[{}], "every process"],
        [[{ "process:nmae": "x" }], "process:nmae"],
        [[{ "process:name": "a-name-of-more-than-15" }], "process:name"],
        [[{ "process:binary:path": "bin/agent" }], "process:binary:path"],
        [[{ "process:binary:path": "/usr/../etc/x" }], "process:binary:path"],
        [[{ "process:binary:hash": "sha256:12" }], "process:binary:hash"],
        [[{ "process:uid": "root" }], "process:uid"],
        [[{ "process:uid": [] }], "process:uid"],
        [[{ "systemd:unit": "../../x" }], "systemd:unit"],
    ] as const) {
        it(`refuses ${JSON.stringify(bad)}`, () => {
            assert.throws(
                () => parseSelectors(bad as never),
                (error: unknown) =>
                    error instanceof RiptidesError &&
                    error.code === "InvalidSelector" &&
                    error.message.includes(reason),
            );
        });
    }

    it("calls a selector of names alone spoofable", () => {
        assert.ok(isSpoofable({ "process:name": "cat" }));
        assert.ok(!isSpoofable({ "process:name": "cat", "process:uid": "0" }));
    });
});
