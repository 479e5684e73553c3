// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { act, contained, content, exespoof, fileOf, Machine, quote } from "./machine";

const granted = `read ${content.length} ${content}`;
const uid = 1001;
const other = 1002;

/** Each case binds facts of a process with uid 1001 and asks who gets the content. */
describe("kernel module: identity of a reader", function () {
    this.timeout(400_000);
    let machine: Machine;
    const read = (...actions: string[]) => machine.act(...actions, "read=4096").then((lines) => lines.at(-1));
    const open = `open=${fileOf("b")}`;

    before(async () => {
        machine = await Machine.start();
    });
    after(() => machine.stop());

    describe("bound by uid", () => {
        before(() => machine.bind({ b: { uid } }));

        it("gives the content to that user", async () => {
            assert.equal(await read(`uid=${uid}`, open), granted);
        });

        it("refuses another user", async () => {
            assert.equal(await read(`uid=${other}`, open), "read EACCES");
        });

        (["host", "own"] as const).forEach((net) => {
            it(`gives it in a container with a read-only /sys and the ${net} network, and to that user only`, async () => {
                const lines = await Promise.all(
                    [uid, other].map(async (as) => {
                        const reads = [`uid=${as}`, open, "read=4096"];
                        const command = `${act} ${reads.map(quote).join(" ")}`;
                        return (await machine.sh(contained(["act"], command, net))).trim().split("\n");
                    }),
                );
                assert.deepEqual(
                    lines.map((each) => each.at(-1)),
                    [granted, "read EACCES"],
                    lines.flat().join("; "),
                );
            });
        });

        it("refuses root's cat, and counts the reason", async () => {
            const { denied_uid: before } = await machine.health();
            const { code, stdout, stderr } = await machine.guest.exec(`cat ${fileOf("b")}`);
            assert.deepEqual([code, stdout], [1, ""]);
            assert.match(stderr, /Permission denied/);
            assert.equal((await machine.health()).denied_uid, before! + 1);
        });

        it("refuses root that only put the user's effective uid on", async () => {
            assert.equal(await read(`euid=${uid}`, open), "read EACCES");
        });

        it("refuses a descriptor that another user opened", async () => {
            const { denied_opener: before } = await machine.health();
            assert.equal(await read(open, "child", `uid=${uid}`), "read EACCES");
            assert.equal((await machine.health()).denied_opener, before! + 1);
        });

        it("refuses another user that holds a descriptor of the bound one", async () => {
            const lines = await machine.act(`euid=${uid}`, open, "child", "euid=0", `uid=${other}`, "read=4096");
            assert.equal(lines.at(-1), "read EACCES");
        });

        it("refuses the user inside a user namespace of its own", async () => {
            const { denied_userns: before } = await machine.health();
            assert.equal(await read(`uid=${uid}`, "redump", "userns", open), "read EACCES");
            assert.equal((await machine.health()).denied_userns, before! + 1);
        });

        it("refuses a reader that is being traced", async () => {
            const lines = await machine.act("trace", `uid=${uid}`, open, "read=4096");
            assert.deepEqual(lines.slice(-1), ["read EACCES"]);
            assert.ok((await machine.health()).denied_traced! > 0);
        });

        it("gives the content to a thread, an io_uring worker and splice of the bound process", async () => {
            const lines = await machine.act(`uid=${uid}`, open, "thread=elsewhere", "uring=4096", "splice");
            assert.deepEqual(
                lines.slice(-3),
                ["thread", "uring", "splice"].map((name) => granted.replace("read", name)),
            );
        });

        it("makes the reader's memory unreadable for others of its user", async () => {
            const lines = await machine.act(`uid=${uid}`, "redump", "peek", open, "read=4096", "dumpable", "peek");
            assert.deepEqual(lines, [
                "uid ok",
                "redump ok",
                "peek mem=ok readv=ok ptrace=ok",
                "open ok",
                granted,
                "dumpable 0",
                "peek mem=EACCES readv=EPERM ptrace=EPERM",
            ]);
        });

        it("leaves a refused reader as it was", async () => {
            const lines = await machine.act(`uid=${other}`, "redump", open, "read=4096", "dumpable");
            assert.deepEqual(lines.slice(-2), ["read EACCES", "dumpable 1"]);
        });
    });

    describe("bound by gid", () => {
        before(() => machine.bind({ b: { gid: 2001 } }));

        it("gives the content to that group and refuses another", async () => {
            assert.equal(await read("gid=2001", open), granted);
            assert.equal(await read("gid=2002", open), "read EACCES");
        });
    });

    describe("bound by process name", () => {
        before(() => machine.bind({ b: { comm: "agent-under-tst" } }));

        it("asks the process's name, not the thread's", async () => {
            assert.equal(await read("comm=agent-under-tst", open), granted);
            assert.equal(await read("comm=other", open), "read EACCES");
            const lines = await machine.act("comm=agent-under-tst", open, "thread=other", "uring=4096");
            assert.deepEqual(lines.slice(-2), [granted.replace("read", "thread"), granted.replace("read", "uring")]);
            assert.equal((await machine.act("comm=other", open, "thread=agent-under-tst")).at(-1), "thread EACCES");
        });

        it("checks each read of one descriptor anew", async () => {
            const lines = await machine.act(open, "read=9@0", "comm=agent-under-tst", "read=9@0", "comm=x", "read=9@0");
            assert.deepEqual(
                lines.filter((line) => line.startsWith("read")),
                ["read EACCES", `read 9 ${content.slice(0, 9)}`, "read EACCES"],
            );
        });
    });

    describe("bound by cgroup", () => {
        const root = "/sys/fs/cgroup";

        before(() => machine.bind({ b: { cgroup: "/rt-a/leaf" } }));
        after(() => machine.guest.exec(`rmdir ${root}/rt-a/leaf/below ${root}/rt-*/* ${root}/rt-*`));

        const from = (path: string) => read(`cgroup=${root}/rt-a`, `cgroup=${root}/rt-b`, `cgroup=${path}`, open);

        it("gives the content in the cgroup and below it", async () => {
            assert.equal(await from(`${root}/rt-a/leaf`), granted);
            assert.equal((await machine.act(`cgroup=${root}/rt-a/leaf/below`, open, "read=4096")).at(-1), granted);
        });

        it("refuses its parent, a cousin and a longer name", async () => {
            assert.equal(await from(`${root}/rt-a`), "read EACCES");
            assert.equal(await from(`${root}/rt-b`), "read EACCES");
            assert.equal(await from(`${root}/rt-a/leaf2`), "read EACCES");
        });

        it("refuses a path of that name inside a cgroup namespace", async () => {
            const lines = await machine.act(
                `cgroup=${root}/rt-b`,
                "cgroupns",
                `cgroup=${root}/rt-b/rt-a`,
                `cgroup=${root}/rt-b/rt-a/leaf`,
                open,
                "read=4096",
            );
            assert.equal(lines.at(-1), "read EACCES");
            await machine.guest.exec(`rmdir ${root}/rt-b/rt-a/leaf ${root}/rt-b/rt-a`);
        });

        it("holds for a cgroup that was made again", async () => {
            await machine.sh(`rmdir ${root}/rt-a/leaf/below ${root}/rt-a/leaf`);
            assert.equal(await from(`${root}/rt-a/leaf`), granted);
        });
    });

    describe("bound by executable", () => {
        const bound = "/usr/local/bin/riptides-bound";

        before(async () => {
            await machine.sh(`cp ${act} ${bound}`);
            await machine.bind({ b: { uid, executable: await machine.executable(bound) } });
        });

        const readBy = async (program: string, ...actions: string[]) =>
            (await machine.guest.exec(`${program} ${[...actions, open, "read=4096"].join(" ")}`)).stdout
                .trim()
                .split("\n")
                .at(-1);

        it("gives the content to that file only, not to a copy of it", async () => {
            assert.equal(await readBy(bound, `uid=${uid}`), granted);
            assert.equal(await readBy(act, `uid=${uid}`), "read EACCES");
            assert.ok((await machine.health()).denied_exe! > 0);
        });

        it("gives it through a link", async () => {
            await machine.sh(`ln -sf ${bound} /tmp/riptides-link`);
            assert.equal(await readBy("/tmp/riptides-link", `uid=${uid}`), granted);
        });

        it("refuses a process that passes for the executable from a user namespace", async () => {
            const output = await machine.sh(`${exespoof} ${uid} ${bound} ${fileOf("b")}`);
            assert.match(output, /^SE013$/m, "the spoof must work and the read be refused with errno 13");
        });
    });

    describe("bound by digest", () => {
        const bound = "/usr/local/bin/riptides-bound";

        before(async () => {
            await machine.sh(`cp ${act} ${bound}`);
            await machine.bind({ b: { uid, sha256: await machine.sha256(bound) } });
        });

        const readBy = async (program: string) =>
            (await machine.guest.exec(`${program} uid=${uid} ${open} read=4096`)).stdout.trim().split("\n").at(-1);

        it("gives the content to any file of that digest", async () => {
            assert.equal(await readBy(act), granted);
            assert.equal(await readBy(bound), granted);
            assert.equal(await readBy(bound), granted);
        });

        it("refuses the file once it has changed in place", async () => {
            await machine.sh(`printf x >>${bound}`);
            assert.equal(await readBy(bound), "read EACCES");
            assert.equal(await readBy(act), granted);
            await machine.sh(`cp ${act} ${bound}`);
            assert.equal(await readBy(bound), granted);
            assert.ok((await machine.health()).denied_sha256! > 0);
        });
    });

    describe("bound by alternatives", () => {
        before(() =>
            machine.bind({
                b: [
                    { uid, comm: "one" },
                    { uid: other, comm: "two" },
                ],
            }),
        );

        it("gives the content to each of them and to no mixture", async () => {
            assert.equal(await read("comm=one", `uid=${uid}`, open), granted);
            assert.equal(await read("comm=two", `uid=${other}`, open), granted);
            assert.equal(await read("comm=two", `uid=${uid}`, open), "read EACCES");
        });
    });
});
