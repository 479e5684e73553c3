// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Informer, InformerOptions, RawObject } from "../../agent/informer";
import { FakeClock } from "../fakes/agent-clock";

type OnLine = (type: string, object: unknown, line: unknown) => void;
type OnDone = (error: unknown) => void;

const object = (name: string, resourceVersion: string, change: Partial<RawObject["metadata"]> = {}): RawObject => ({
    metadata: { name, resourceVersion, uid: name, generation: 1, ...change },
    spec: {},
});

describe("agent: informer", () => {
    let clock: FakeClock;
    let pages: { items: RawObject[]; next?: string }[];
    let lists: number;
    let listFault: Error | undefined;
    let watches: { query: Record<string, unknown>; line: OnLine; done: OnDone; aborted: boolean }[];
    let seen: Map<string, RawObject>;
    let faults: (Error | undefined)[];
    let informer: Informer;

    beforeEach(async () => {
        clock = new FakeClock();
        pages = [{ items: [object("a", "1")], next: "more" }, { items: [object("b", "2")] }];
        lists = 0;
        listFault = undefined;
        watches = [];
        seen = new Map();
        faults = [];
        const options: InformerOptions = {
            path: "/things",
            clock,
            list: async (_path, page) => {
                lists++;
                if (listFault) {
                    throw listFault;
                }
                return { ...pages[page ? 1 : 0]!, resourceVersion: "10" };
            },
            watch: {
                watch: async (_path: string, query: Record<string, unknown>, line: OnLine, done: OnDone) => {
                    const watch = { query, line, done, aborted: false };
                    watches.push(watch);
                    return {
                        abort: () => {
                            watch.aborted = true;
                        },
                    } as AbortController;
                },
            },
            onObject: (found) => seen.set(found.metadata.name, found),
            onDeleted: (name) => seen.delete(name),
            onListed: (names) =>
                [...seen.keys()].filter((name) => !names.has(name)).forEach((name) => seen.delete(name)),
            onFault: (fault) => faults.push(fault),
        };
        informer = new Informer(options);
        informer.start();
        await clock.advance(0);
    });

    afterEach(() => informer.stop());

    it("lists all pages, then watches from there", () => {
        assert.deepEqual([...seen.keys()], ["a", "b"]);
        assert.equal(watches[0]!.query.resourceVersion, "10");
    });

    it("follows additions, changes, removals and bookmarks", async () => {
        const { line, done } = watches[0]!;
        line("ADDED", object("c", "11"), {});
        line("MODIFIED", object("a", "12", { generation: 2 }), {});
        line("DELETED", object("b", "13"), {});
        line("BOOKMARK", object("", "20"), {});

        done(null);
        await clock.advance(0);

        assert.deepEqual([...seen.keys()], ["a", "c"]);
        assert.equal(seen.get("a")!.metadata.generation, 2);
        assert.equal(watches[1]!.query.resourceVersion, "20", "it goes on where it ended");
        assert.equal(lists, 2);
    });

    it("takes an object that is being deleted for gone", () => {
        watches[0]!.line("MODIFIED", object("a", "11", { deletionTimestamp: "2026-01-01T00:00:00Z" }), {});

        assert.deepEqual([...seen.keys()], ["b"]);
    });

    it("lists anew when the server no longer knows the place", async () => {
        await clock.advance(60_000);
        pages = [{ items: [object("b", "30")] }];

        watches[0]!.line("ERROR", { code: 410, message: "too old resource version" }, {});
        watches[0]!.done(null);
        await clock.advance(1_000);

        assert.deepEqual([...seen.keys()], ["b"]);
        assert.equal(lists, 3);
        assert.equal(watches.length, 2);
        assert.ok(
            faults.every((fault) => fault === undefined),
            "that is no fault",
        );
    });

    it("backs off while the server is away, says so once it is back, and misses nothing", async () => {
        listFault = new Error("ECONNREFUSED");
        watches[0]!.done(new Error("ECONNRESET"));
        await clock.advance(5 * 60_000);

        const tries = lists - 2;
        assert.ok(tries >= 8 && tries <= 25, `${tries} tries in five minutes`);
        assert.equal(faults.at(-1), listFault);
        listFault = undefined;
        pages = [{ items: [object("z", "40")] }];
        await clock.advance(31_000);

        assert.deepEqual([...seen.keys()], ["z"]);
        assert.equal(faults.at(-1), undefined);
    });

    it("gives up a watch that the server should have ended long ago, and lists anew", async () => {
        await clock.advance(400_000);

        assert.ok(watches[0]!.aborted);
        assert.equal(lists, 4);
        assert.equal(watches.length, 2);
        assert.match(String(faults.find(Boolean)), /silent/);
        assert.equal(faults.at(-1), undefined);
    });

    it("does not spin when watches end at once", async () => {
        for (let ended = 0; ended < watches.length && ended < 1_000; ended++) {
            watches[ended]!.done(null);
            await clock.advance(100);
        }

        assert.ok(watches.length < 30, `${watches.length} watches`);
    });

    it("stops", async () => {
        informer.stop();
        watches[0]!.done(new Error("aborted"));
        await clock.advance(60_000);

        assert.ok(watches[0]!.aborted);
        assert.equal(watches.length, 1);
        assert.equal(lists, 2);
    });
});
