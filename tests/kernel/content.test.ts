// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import {
    encodeBinding,
    encodeBegin,
    encodeCommit,
    encodeCredential,
    encodeStatsGet,
    encodeWipe,
    type KernelMessage,
} from "../../api/kernel-message";
import {
    act,
    content,
    countsOf,
    fileOf,
    inFile,
    keyOf,
    Machine,
    slowness,
    type Step,
    table,
    workload,
    write,
} from "./machine";

const uid = 1001;
const file = fileOf("b");
const reader = `${act} uid=${uid} open=${file}`;
const hour = 3_600_000;

const credential = (text: string, lifetimeMs = hour, name = "b") =>
    write(encodeCredential(4n, keyOf(name), Date.now() + lifetimeMs, Buffer.from(text)));
const run = (command: string) => ({ do: "run" as const, command });
/** Starts a bound reader that stops itself at its action "pause"; {@link finish} lets it go on and shows its lines. */
const begin = (actions: string) =>
    run(
        `${reader} ${actions} >/tmp/rt-out 2>&1 & echo $! >/tmp/rt-pid; until grep -q "T (stopped)" /proc/$!/status; do :; done`,
    );
const finish = run(
    `kill -CONT $(cat /tmp/rt-pid); while kill -0 $(cat /tmp/rt-pid) 2>/dev/null; do sleep 0.1; done; cat /tmp/rt-out`,
);
/** Starts bound readers that read in pieces of these sizes until {@link endLoops}. */
const loops = (...sizes: number[]) =>
    run(
        sizes
            .map((size) => ({ out: `/tmp/rt-loop-${size}`, start: `${reader} loop=${size}` }))
            .map(({ out, start }) => `${start} >${out} 2>&1 & until grep -q begins ${out}; do sleep 0.05; done`)
            .join("; "),
    );
const endLoops = run("pkill -TERM -x act; while pgrep -x act >/dev/null; do sleep 0.05; done");
const shown = (size: number) => run(`tail -n 1 /tmp/rt-loop-${size}`);
/** A content of one letter, its length depending on it, as helpers/act.c loop= expects. */
const letters = (letter: string) => letter.repeat(1_000 + letter.charCodeAt(0));

describe("kernel module: life of a content", function () {
    this.timeout(400_000);
    let machine: Machine;

    before(async () => {
        machine = await Machine.start();
    });
    after(() => machine.stop());

    const readAs = (...actions: string[]) => machine.act(`uid=${uid}`, `open=${file}`, ...actions);
    const lastRead = async () => (await readAs("read=4096")).at(-1);

    /** Drops events that earlier tests left. */
    const drain = async () => {
        const reads: Step[] = Array.from({ length: 600 }, () => ({ do: "read", waitMs: 1 }));
        await machine.session(...reads);
    };

    it("is ENODATA until it is published, then what was published, byte for byte", async () => {
        await machine.session(...table(1n, { b: { uid } }));
        assert.equal(await lastRead(), "read ENODATA");
        const largest = "x".repeat(4_095);
        await machine.session(credential(largest));
        assert.equal(await lastRead(), `read 4095 ${largest}`);
        assert.equal((await readAs("all=100")).at(-1), `all 4095 ${largest}`);
        assert.equal((await machine.sh(`stat -c %a:%U ${file}`)).trim(), "444:root");
    });

    it("outlives the agent's connection and a table that keeps its binding", async () => {
        await machine.bind({ b: { uid } });
        await machine.session(...table(2n, { b: { uid: 1002 }, c: { uid } }));
        assert.equal(await lastRead(), "read EACCES");
        await machine.session(...table(3n, { b: { uid }, c: { uid } }));
        assert.equal(await lastRead(), `read ${content.length} ${content}`);
    });

    it("reads on to the end of what it began, or is ESTALE, when it is rotated", async () => {
        await machine.bind({ b: { uid }, other: { uid } });
        const rotated = '{"api_key":"sk-rotated"}';
        const cut = await machine.session(begin("read=5 pause read=4096 read=4096@0"), credential(rotated), finish);
        assert.equal(cut[2]!.text, `uid ok\nopen ok\nread 5 {"api\nread ESTALE\nread ${rotated.length} ${rotated}\n`);
        const whole = await machine.session(begin("read=4096 pause read=4096"), credential(content), finish);
        assert.equal(whole[2]!.text, `uid ok\nopen ok\nread ${rotated.length} ${rotated}\nread 0 \n`);
        const steady = await machine.session(
            begin("read=5 pause read=4096"),
            credential(rotated, hour, "other"),
            finish,
        );
        assert.equal(
            steady[2]!.text,
            `uid ok\nopen ok\nread 5 {"api\nread ${content.length - 5} ${content.slice(5)}\n`,
        );
    });

    it("is never partial or mixed under a storm of rotations", async () => {
        await machine.bind({ b: { uid } }, letters("A"));
        const rotations = Array.from({ length: 400 }, (_, index) =>
            credential(letters(String.fromCharCode(65 + (index % 26)))),
        );
        const storm = [...rotations, ...rotations, ...rotations];
        const answers = await machine.session(loops(4_096, 512), ...storm, endLoops, shown(4_096), shown(512));
        const [large, small] = answers.slice(-2).map(({ text }) => countsOf(text)) as [
            Record<string, number>,
            Record<string, number>,
        ];
        assert.deepEqual([large.mixed, large.other, small.mixed, small.other], [0, 0, 0, 0]);
        assert.equal(large.stale, 0, "a read of the whole never sees a rotation");
        assert.ok(large.whole! > 100 && large.changes! > 10, JSON.stringify(large));
        assert.ok(small.whole! > 10 && small.stale! > 0, JSON.stringify(small));
    });

    it("wakes a poll() at rotation and at its end", async () => {
        await machine.bind({ b: { uid } });
        const notify = `notify=${30_000 * slowness}`;
        const steps = begin(`read=4096 pause ${notify} read=4096@0 ${notify} read=4096@0`);
        const resume = run("kill -CONT $(cat /tmp/rt-pid)");
        const ended = { ...finish, command: finish.command.replace("kill -CONT $(cat /tmp/rt-pid); ", "") };
        const answers = await machine.session(steps, resume, credential('{"n":2}', 6_000 * slowness), ended);
        assert.match(answers.at(-1)!.text, /notify 1\nread 7 {"n":2}\nnotify 1\nread EKEYEXPIRED/);
    });

    it("is wiped at its expiry: EKEYEXPIRED, an event, a counter", async () => {
        await machine.bind({ b: { uid } });
        await drain();
        const { expired: before, contents } = await machine.health();
        const [, event] = await machine.session(credential("short", 4_000 * slowness), {
            do: "read",
            waitMs: 10_000 * slowness,
        });
        assert.equal(event!.message?.kind, "expire");
        assert.deepEqual(event!.message?.kind === "expire" && event!.message.key, { workload, binding: "b" });
        assert.equal(await lastRead(), "read EKEYEXPIRED");
        const after = await machine.health();
        assert.deepEqual([after.expired, after.contents], [before! + 1, contents! - 1]);
        assert.ok(after.denied_expired! > 0);
    });

    it("comes to its end by elapsed time when the wall clock is set back", async () => {
        await machine.bind({ b: { uid } });
        await drain();
        const back = run("date -s '1 hour ago' >/dev/null");
        const answers = await machine.session(credential("short", 5_000 * slowness), back, {
            do: "read",
            waitMs: 60_000,
        });
        const seen = await lastRead();
        await machine.setClock();
        assert.equal(answers.at(-1)!.message?.kind, "expire", "an hour early by the wall clock");
        assert.equal(seen, "read EKEYEXPIRED");
    });

    it("lives on when the wall clock is set forward", async () => {
        await machine.session(credential("steady", hour), run("date -s 'now 2 hours' >/dev/null"));
        const seen = await lastRead();
        await machine.setClock();
        assert.equal(seen, "read 6 steady");
    });

    it("is gone after WIPE, and can be published again", async () => {
        await machine.bind({ b: { uid } });
        await machine.session(write(encodeWipe(5n, keyOf("b"))));
        assert.equal(await lastRead(), "read ENODATA");
        await machine.session(credential("again"));
        assert.equal(await lastRead(), "read 5 again");
    });

    it("vanishes with its binding; open descriptors read ENODEV", async () => {
        await machine.bind({ b: { uid }, c: { uid } });
        const { wiped: before } = await machine.health();
        const steps: Step[] = [
            begin("read=3 pause read=4096@0"),
            write(encodeBegin(5n, 9n, 1, 0)),
            write(encodeBinding(5n, keyOf("c"), [{ uid }], inFile)),
            write(encodeCommit(5n, 9n)),
            finish,
        ];
        const answers = await machine.session(...steps);
        assert.match(answers.at(-1)!.text, /read ENODEV/);
        assert.equal((await readAs()).at(-1), "open ENOENT");
        assert.equal((await machine.health()).wiped, before! + 1);
        assert.match((await machine.act(`uid=${uid}`, `open=${fileOf("c")}`, "read=4096")).at(-1)!, /canary/);
    });

    it("reports the first read of a process and content, and one denial a second", async () => {
        await machine.bind({ b: { uid } });
        await drain();
        const answers = await machine.session(
            run(`${reader} read=4096 read=4096@0 read=4096@0`),
            run(`${act} comm=intruder uid=1002 open=${file} read=9 read=9 read=9`),
            credential("second"),
            run(`${reader} read=4096`),
            { do: "read" },
            { do: "read" },
            { do: "read" },
            { do: "read", waitMs: 300 },
            write(encodeStatsGet(8n)),
            { do: "read" },
        );
        const seen = answers.slice(4, 7).map(({ message }) => message as KernelMessage);
        assert.deepEqual(
            seen.map((message) => [message.kind, "revision" in message && message.revision]),
            [
                ["grant", 1n],
                ["deny", 1n],
                ["grant", 2n],
            ].map(([kind, revision]) => [kind, (revision as bigint) + base(seen)]),
        );
        const [grant, deny] = seen;
        assert.ok(
            grant?.kind === "grant" && grant.reader.uid === uid && grant.reader.comm === "act" && grant.reader.pid > 1,
        );
        assert.ok(
            deny?.kind === "deny" &&
                deny.reason === "uid" &&
                deny.reader.uid === 1002 &&
                deny.reader.comm === "intruder",
        );
        assert.ok(Math.abs(deny.atMs - Date.now()) < 600_000);
        assert.equal(answers[7]!.text, "EAGAIN");
        const stats = answers[9]!.message;
        assert.ok(stats?.kind === "stats" && stats.stats.bindings === 1 && stats.stats.contents === 1);
        assert.ok(stats.stats.denied.uid >= 3n && stats.stats.reads >= 4n && stats.stats.grants >= 2n);
    });
    const base = (seen: KernelMessage[]) => (seen[0]?.kind === "grant" ? seen[0].revision - 1n : 0n);

    it("keeps events while no agent is there, and says how many were lost", async () => {
        await machine.bind({ b: { uid } });
        await drain();
        await machine.sh(`${act} uid=1002 open=${file} children=520 read=9 >/dev/null`);
        const reads: Step[] = Array.from({ length: 460 }, () => ({ do: "read", waitMs: 50 }));
        const messages = (await machine.session(...reads))
            .map(({ message }) => message)
            .filter((message) => message !== undefined);
        const denied = messages.filter((message) => message.kind === "deny").length;
        const lost = messages
            .filter((message) => message.kind === "lost")
            .reduce((sum, message) => sum + message.count, 0n);
        assert.equal(denied, 448);
        assert.equal(lost, 72n);
    });
});

describe("kernel module: load and unload", function () {
    this.timeout(400_000);
    let machine: Machine;

    before(async () => {
        machine = await Machine.start();
    });
    after(() => machine.stop());

    it("loads again and again, empty each time", async () => {
        for (let round = 0; round < 5; round++) {
            await machine.bind({ b: { uid } });
            await machine.unload();
            assert.equal((await machine.guest.exec("ls /dev/riptides /sys/module/riptides")).stdout, "");
            await machine.load();
            assert.equal((await machine.health()).bindings, 0);
        }
    });

    it("refuses to unload while the agent has the device open", async () => {
        const [, answer] = await machine.session(write(encodeStatsGet(2n)), run("rmmod riptides 2>&1"));
        assert.equal(answer!.code, 1);
        assert.match(answer!.text, /in use/);
    });

    it("unloads under open files: they read ENODEV, and nothing is left", async () => {
        await machine.bind({ b: { uid } });
        const lines = await machine.act(
            `open=${file}`,
            "child",
            `euid=${uid}`,
            "euid=0",
            "sh=rmmod riptides",
            "read=4096",
            "notify=0",
        );
        assert.deepEqual(lines.slice(-3), ["sh 0", "read ENODEV", "notify 1"]);
        await machine.load();
    });

    it("unloads while processes read and poll", async () => {
        for (const letter of ["A", "B", "C"]) {
            await machine.bind({ b: { uid } }, letters(letter));
            await machine.sh(`${loops(1, 64, 512, 4_096).command}; sleep 0.5; rmmod riptides`);
            await machine.sh(endLoops.command);
            for (const size of [1, 64, 512, 4_096]) {
                const { mixed, stale, other, gone } = countsOf(await machine.sh(shown(size).command));
                assert.deepEqual([mixed, stale, other], [0, 0, 0]);
                assert.ok(gone! > 0);
            }
            await machine.load();
        }
    });

    it("prints no content, whatever happens to it", async () => {
        const canary = "sk-canary-never-printed";
        await machine.bind({ b: { uid } }, canary);
        await machine.act(`uid=${uid}`, `open=${file}`, "read=4096");
        await machine.act("uid=1002", `open=${file}`, "read=4096");
        const untilExpired = run("until grep -q '^contents 0' /sys/module/riptides/health; do sleep 0.2; done");
        await machine.session(credential(canary, 4_000 * slowness), untilExpired);
        await machine.unload();
        await machine.load();
        const traces = await machine.sh(
            `dmesg; journalctl -k --no-pager 2>/dev/null; cat /sys/module/riptides/health /proc/modules; grep -rs canary-never /sys/module/riptides /var/log --exclude-dir=journal; :`,
        );
        assert.ok(!traces.includes(canary));
        assert.match(traces, /riptides: version/);
    });
});
