// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { place } from "./machine";
import {
    type Binding,
    host,
    meet,
    patience,
    ports,
    request,
    type Scenario,
    services,
    targetOf,
    Wire,
    wireProgram,
} from "./wire";

const key = "sk-b81f04c6aa5d-27e93d5510fb";
const halves = [key.slice(0, key.length / 2), key.slice(key.length / 2)];
/** What the process holds, and the searches must find. */
const placeholder = "held-by-the-process-6c1e";
const secret = { kind: "header" as const, value: Buffer.from(key) };

const wireBound = `${place}/wire-bound`;
const curlBound = `${place}/curl-bound`;
const cores = "/run/wire-suite/cores";
const bindings: Record<string, Binding> = {
    bound: { uid: 2001, secret },
    preloaded: { uid: 2002, secret },
};
const connect = `connect=${ports.good}`;
/** The server's answer to it does not say with what the request came. */
const silent = (name: string) => `/big/10?${targetOf(name)}`;

describe("kernel module: the memory of a process on the wire", function () {
    this.timeout(400_000);
    let wire: Wire;
    let corePattern: string;

    before(async () => {
        wire = await Wire.start(bindings, ["spy", "preload.so"]);
        corePattern = await wire.machine.sh("cat /proc/sys/kernel/core_pattern");
        await wire.machine.sh(
            [
                `cp ${wireProgram} ${wireBound}; cp /usr/bin/curl ${curlBound}`,
                `mkdir -m 1777 ${cores}; sysctl -qw kernel.core_pattern=${cores}/%e`,
            ].join("; "),
        );
        await wire.bind({
            bound: { ...bindings.bound!, facts: [await factsOf(wireBound, bindings.bound!.uid)] },
            preloaded: {
                ...bindings.preloaded!,
                facts: [await factsOf(curlBound, bindings.preloaded!.uid)],
                injections: services({ rules: [{ path: "/big" }] }),
            },
        });
    });
    after(async () => {
        await wire.machine.sh("cat >/proc/sys/kernel/core_pattern", corePattern);
        await wire.stop();
    });

    const factsOf = async (program: string, uid: number) => ({
        uid,
        executable: await wire.machine.executable(program),
        sha256: await wire.machine.sha256(program),
    });

    /** A process that has had one request answered and waits with the connection open; then it goes on. */
    const holding = (name: string, target: string, ...then: string[]): Scenario => ({
        name,
        program: wireBound,
        does: [
            "dumpable",
            connect,
            `send=${request("GET", target, `Authorization: Bearer ${placeholder}`)}`,
            "answer",
            ...meet,
            ...then,
        ],
        sees: [],
    });
    const again = (name: string) => [
        `send=${request("GET", silent(name), `Authorization: Bearer ${placeholder}`)}`,
        "answer",
        "state",
    ];
    const findsPid = `pid=$(sed -n 's/^pid=\\([0-9]*\\) comm=wire-bound .* state=open .*/\\1/p' /proc/riptides/connections)`;
    const needles = `${[placeholder, ...halves].join("\n")}\n`;
    const spies = (...actions: string[]) =>
        `setpriv --reuid=${bindings.bound!.uid} --clear-groups ${place}/spy $pid ${actions.join(" ")} <${cores}/needles`;

    /** Runs commands in bash, with the texts to look for in a file. */
    const look = async (...commands: string[]) =>
        (
            await wire.machine.sh(
                `cat >${cores}/needles; bash -c '${commands.join("\n").replaceAll("'", "'\\''")}'`,
                needles,
            )
        )
            .trim()
            .split("\n");

    /** How often a core file holds each text. */
    const inCore = (name: string) =>
        `while read -r text; do printf "%s\\n" "$text" | grep -aoFf - ${cores}/${name} | wc -l; done <${cores}/needles | xargs echo core`;

    /** The counts of a line, as "some" or "none": placeholder, first and second half of the key. */
    const finds = (line: string | undefined) =>
        line!
            .split(" ")
            .slice(-3)
            .map((count) => (Number(count) > 0 ? "some" : Number(count) === 0 ? "none" : line));
    const placeholderAlone = ["some", "none", "none"];
    const keyToo = ["some", "some", "some"];

    const requests = async (needle: string) =>
        (await wire.journal())
            .filter(({ what, target }) => what === "request" && target!.includes(needle))
            .map(({ authorization }) => authorization);
    const withKey = [`Bearer ${key}`];

    describe("with an open connection and an answered request", () => {
        it("holds its placeholder and not half of the key, by process_vm_readv and by ptrace", async () => {
            const lines = await look(
                wire.begin(holding("read by a spy", silent("read by a spy"), ...again("read by a spy"))),
                findsPid,
                spies("readv", "attach"),
                wire.finish,
            );
            assert.match(lines[0]!, /^readv ok /);
            assert.match(lines[1]!, /^attach ok /);
            assert.deepEqual(
                [finds(lines[0]), finds(lines[1])],
                [placeholderAlone, placeholderAlone],
                lines.join("\n"),
            );
            assert.match(lines.at(-1)!, /^state open error=none requests=2 injections=2/);
            assert.deepEqual(await requests("read-by-a-spy"), [withKey, withKey]);
        });

        it("holds no more at any system call of a request that it makes while it is traced", async () => {
            const lines = await look(
                wire.begin(holding("followed", silent("followed"), ...again("followed"))),
                findsPid,
                `${spies("attach", "follow")} >${cores}/spy & until grep -q "^TracerPid:.*[1-9]" /proc/$pid/status; do :; done`,
                wire.finish,
                `wait; cat ${cores}/spy`,
            );
            const [attach, follow] = lines.slice(-2);
            assert.match(attach!, /^attach ok /);
            assert.match(follow!, /^follow stops=\d{2,} /);
            assert.deepEqual([finds(attach), finds(follow)], [placeholderAlone, placeholderAlone], lines.join("\n"));
            assert.match(lines.at(-3)!, /^state open error=none requests=2 injections=2/);
            assert.deepEqual(await requests("followed"), [withKey, withKey]);
        });

        it("gives its socket to who may trace it, which sends no request and has no session key", async () => {
            const lines = await look(
                wire.begin(holding("robbed", silent("robbed"), "error")),
                findsPid,
                spies(`"steal=${request("GET", silent("stolen"))}"`),
                wire.finish,
            );
            assert.equal(lines[0], "steal ok keys=ENOPROTOOPT send=EACCES");
            assert.deepEqual([await requests("robbed"), await requests("stolen")], [[withKey], []]);
        });

        it("leaves a core file with its placeholder and not half of the key", async () => {
            const lines = await look(
                `ulimit -c unlimited; rm -f ${cores}/wire-bound`,
                wire.begin(holding("dumped", silent("dumped"), ...again("dumped"))),
                findsPid,
                `kill -ABRT $pid; timeout ${patience} head -c1 /run/wire-suite/meeting.done >/dev/null`,
                inCore("wire-bound"),
            );
            assert.deepEqual(finds(lines.at(-1)), placeholderAlone, lines.join("\n"));
            assert.deepEqual(await requests("dumped"), [withKey]);
        });

        it("holds the key once a server has sent it back, and all of the searches find it", async () => {
            const lines = await look(
                `ulimit -c unlimited; rm -f ${cores}/wire-bound`,
                wire.begin(holding("echoed", "/%")),
                findsPid,
                spies("readv", "attach"),
                `kill -ABRT $pid; timeout ${patience} head -c1 /run/wire-suite/meeting.done >/dev/null`,
                inCore("wire-bound"),
            );
            assert.deepEqual(lines.slice(-3).map(finds), [keyToo, keyToo, keyToo], lines.join("\n"));
        });
    });

    describe("into which a library was preloaded", () => {
        let seen: string;
        let core: string;

        before(async () => {
            const environment = `LD_PRELOAD=${place}/preload.so PRELOAD_LOG=${cores}/preload.log`;
            const lines = await look(
                `ulimit -c unlimited; rm -f ${cores}/preload.log ${cores}/curl-bound`,
                `setpriv --reuid=${bindings.preloaded!.uid} --clear-groups env ${environment} ${curlBound} -sS -o /dev/null -m 60 -H "Authorization: Bearer ${placeholder}" "http://${host}:${ports.good}/big/10?by=curl"`,
                inCore("curl-bound"),
                `cat ${cores}/preload.log`,
            );
            const at = lines.findIndex((line) => line.startsWith("core "));
            core = lines[at]!;
            seen = lines.slice(at + 1).join("\n");
        });

        it("sees the request as the program writes it and the answer, and no key", () => {
            assert.match(seen, /\[send ok\]\nGET \/big\/10\?by=curl HTTP\/1\.1\r\n/);
            assert.ok(seen.includes(`Authorization: Bearer ${placeholder}\r\n`), seen);
            // In one piece or in two.
            assert.match(seen, /\[recv ok\]\nHTTP\/1\.1 200 OK\r\n/);
            assert.match(seen, /\nbbbbbbbbbb\n/);
            assert.deepEqual(
                halves.filter((half) => seen.includes(half)),
                [],
            );
        });

        it("may make what requests the program may, and no other", async () => {
            assert.match(seen, /\[send ok\]\nGET \/big\/10\?by=preload HTTP\/1\.1\r\n[^[]*\[recv ok\]\nHTTP\/1\.1 200/);
            assert.match(seen, /\[send EACCES\]\s*$/);
            assert.deepEqual(
                [await requests("by=curl"), await requests("/big/10?by=preload"), await requests("/other")],
                [[withKey], [withKey], []],
            );
        });

        it("leaves a core file with its placeholder and not half of the key", () => {
            assert.deepEqual(finds(core), placeholderAlone, core);
        });
    });
});
