// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { artifact } from "../../lab/cache";
import { keyOf, keyOfSources } from "../../lab/digest";

describe("the lab's cache", () => {
    let directory: string;
    const before = process.env.RIPTIDES_CACHE;
    beforeEach(() => (process.env.RIPTIDES_CACHE = directory = mkdtempSync(join(tmpdir(), "riptides-cache-"))));
    afterEach(() => {
        rmSync(directory, { recursive: true });
        if (before === undefined) delete process.env.RIPTIDES_CACHE;
        else process.env.RIPTIDES_CACHE = before;
    });
    const put = (text: string) => async (place: string) => writeFileSync(join(place, "file"), text);

    it("makes an artifact once, also when it is asked for twice at the same time", async () => {
        let made = 0;
        const make = async (place: string) => {
            made++;
            await put("x")(place);
        };
        const key = keyOf("a");
        const [one, two] = await Promise.all([artifact("tools", "t", key, make), artifact("tools", "t", key, make)]);
        assert.equal(one, two);
        assert.equal(made, 1);
        assert.equal(readFileSync(join(one, "file"), "utf8"), "x");
    });

    it("keeps nothing of a build that failed, and can try again", async () => {
        const key = keyOf("a");
        const fail = async (place: string) => {
            await put("half")(place);
            throw new Error("no space");
        };
        await assert.rejects(artifact("tools", "t", key, fail), /no space/);
        assert.equal(existsSync(join(directory, "tools", `t-${key}`)), false);
        const place = await artifact("tools", "t", key, async (fresh) => assert.deepEqual(readdirSync(fresh), []));
        assert.ok(existsSync(place));
    });

    it("drops the versions used longest ago, of that name only", async () => {
        const other = await artifact("tools", "t-other", keyOf("o"), put("o"));
        for (let i = 0; i < 5; i++) {
            const place = await artifact("tools", "t", keyOf(String(i)), put(String(i)));
            utimesSync(place, 1000 + i, 1000 + i);
        }
        const left = readdirSync(join(directory, "tools")).filter((name) => /^t-[0-9a-f]{16}$/.test(name));
        assert.deepEqual(left.sort(), [2, 3, 4].map((i) => `t-${keyOf(String(i))}`).sort());
        assert.ok(existsSync(other));
    });
});

describe("a key of sources", () => {
    let directory: string;
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "riptides-key-"))));
    afterEach(() => rmSync(directory, { recursive: true }));
    const key = () => keyOfSources(directory, (path) => path.endsWith(".c"));

    it("changes with contents and names of wanted files, and with nothing else", () => {
        mkdirSync(join(directory, "sub"));
        writeFileSync(join(directory, "sub", "a.c"), "1");
        const first = key();
        writeFileSync(join(directory, "a.o"), "object");
        utimesSync(join(directory, "sub", "a.c"), 1, 1);
        assert.equal(key(), first);
        writeFileSync(join(directory, "sub", "a.c"), "2");
        const second = key();
        assert.notEqual(second, first);
        writeFileSync(join(directory, "b.c"), "");
        assert.notEqual(key(), second);
    });

    it("does not confuse where one text ends and the next begins", () => {
        assert.notEqual(keyOf("ab", "c"), keyOf("a", "bc"));
    });
});
