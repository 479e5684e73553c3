// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import * as assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
    type BindingKey,
    decodeKernelMessage,
    encodeBegin,
    encodeBinding,
    encodeCommit,
    encodeCredential,
    encodeHello,
    type KernelFacts,
    type KernelMessage,
} from "../../api/kernel-message";
import { type Guest, kernelGuest } from "./guest";

const helpers = join(__dirname, "helpers");
const kmod = join(__dirname, "../../kmod");
export const place = "/usr/local/lib/riptides-kernel-test";

export const act = `${place}/act`;
export const exespoof = `${place}/exespoof`;

/** How a program of helpers/ is linked, where not statically. */
const linking: Record<string, readonly string[]> = {
    // Its last part is copied, and runs alone.
    exespoof: ["-static", "-no-pie", "-fno-stack-protector", "-fcf-protection=none"],
    "preload.so": ["-shared", "-fPIC", "-nostdlib"],
};
export const modulePath = `${place}/riptides.ko`;
export const workload = "6f1d9f3c-0102-4003-8004-0506070809ab";
/** Deliveries of a binding. */
export const inFile = { file: true, wire: false };
export const onWire = { file: false, wire: true };
export const content = '{"api_key":"sk-canary-3d1f"}';

/**
 * A shell command in what a container is made of: mount, PID, IPC, UTS and cgroup namespaces, a root with nothing in it but
 * some programs of {@link place} and a new, read-only /sys; with `net`, a network namespace, too.
 */
export function contained(programs: readonly string[], command: string, net: "host" | "own"): string {
    const box = "/run/riptides-box";
    const inside = [
        `mount -t tmpfs none ${box}`,
        `mkdir -p ${box}${place} ${box}/sys ${box}/proc`,
        `cp ${programs.map((name) => `${place}/${name}`).join(" ")} ${box}${place}`,
        `mount -t sysfs -o ro,nosuid,nodev,noexec none ${box}/sys`,
        `mount -t proc none ${box}/proc`,
        `exec chroot ${box} ${command}`,
    ].join(" && ");
    const own = net === "own" ? " --net" : "";
    return `mkdir -p ${box}; unshare --mount --pid --ipc --uts --cgroup${own} --fork sh -c ${quote(inside)}`;
}

/** By how much what ends by time lasts longer on the debug kernel, where all else does too. */
export const slowness = process.env.RIPTIDES_GUEST === "debug" ? 8 : 1;

/** A step of {@link Machine.device} and what it answers. */
export type Step =
    | { do: "open" | "close" | "second" | "poll" }
    | { do: "write"; frame: Buffer }
    | { do: "nth"; frames: Buffer[] }
    | { do: "read"; waitMs?: number }
    | { do: "readsize"; size: number }
    | { do: "run"; command: string };

/** `text` is the helper's answer (a number, an errno name, "end"); a frame read is decoded, a command's output is text. */
export interface Answer {
    text: string;
    message?: KernelMessage;
    code?: number;
}

/** The guest with the module loaded, the test programs in place and the kernel's log read from here on. */
export class Machine {
    private logStart = 0;

    private constructor(readonly guest: Guest) {}

    /** `programs`: more of helpers/ to be placed. */
    static async start(programs: readonly string[] = []): Promise<Machine> {
        const machine = new Machine(await kernelGuest());
        await machine.placePrograms(["act", "device", "fuzz", "exespoof", "storm", ...programs]);
        // An agent of an earlier suite would hold the device.
        await machine.guest.exec("systemctl stop riptides-agent.service");
        await machine.setClock();
        await machine.unload();
        machine.logStart = (await machine.log()).length;
        await machine.load();
        return machine;
    }

    /** Sets the guest's clock to that of this machine. */
    async setClock(): Promise<void> {
        await this.sh(`date -s @${Math.floor(Date.now() / 1_000)} >/dev/null`);
    }

    /** Unloads the module and asserts that the kernel found nothing to complain about, leaks included where it looks for them. */
    async stop(): Promise<void> {
        await this.unload();
        const leaks = await this.sh(
            "cd /sys/kernel/debug 2>/dev/null && [ -e kmemleak ] && { echo scan >kmemleak; sleep 6; echo scan >kmemleak; cat kmemleak; }; :",
        );
        assert.equal(leaks, "");
        const complaints = (await this.log()).filter((line) =>
            /BUG|WARNING|Oops|Call Trace|RIP:|slab|use-after|double.free|refcount|lockdep|hung task|leak/i.test(line),
        );
        assert.deepEqual(complaints, []);
        this.guest.disconnect();
    }

    async load(): Promise<void> {
        await this.sh(`insmod ${modulePath}`);
    }

    async unload(): Promise<void> {
        await this.sh("if [ -e /sys/module/riptides ]; then rmmod riptides; fi");
    }

    /** The kernel's log since {@link start}. */
    async log(): Promise<string[]> {
        const lines = (await this.sh("dmesg --notime 2>/dev/null || dmesg")).split("\n").filter(Boolean);
        return lines.slice(this.logStart);
    }

    /** Runs a shell command that must succeed; answers its output. */
    async sh(command: string, stdin?: string): Promise<string> {
        const { code, stdout, stderr } = await this.guest.exec(command, { stdin, timeoutMs: 300_000 });
        assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
        return stdout;
    }

    /** Runs the steps in one process that plays the agent. */
    async device(...steps: Step[]): Promise<Answer[]> {
        const script = steps.map(lineOf).join("\n");
        const lines = (await this.sh(`timeout 250 ${place}/device`, `${script}\n`)).split("\n");
        return steps.map((step, index) => answerOf(step, lines[index] ?? "(no answer)"));
    }

    /** As {@link device}, after open, HELLO and its answer; every write must be taken. */
    async session(...steps: Step[]): Promise<Answer[]> {
        const opening: Step[] = [{ do: "open" }, { do: "write", frame: encodeHello(1n, "test") }, { do: "read" }];
        const answers = await this.device(...opening, ...steps);
        assert.equal(answers[2]?.message?.kind, "helloAck", JSON.stringify(answers.map(({ text }) => text)));
        steps.forEach((step, index) => {
            if (step.do === "write") {
                assert.match(answers[index + 3]!.text, /^\d+$/, `step ${index} was refused`);
            }
        });
        return answers.slice(3);
    }

    /** Puts a table of bindings in force and publishes `content` for each, for an hour. */
    async bind(bindings: Record<string, KernelFacts | KernelFacts[]>, text: string = content): Promise<void> {
        const names = Object.keys(bindings);
        await this.session(
            ...table(1n, bindings),
            ...names.map((name) => write(encodeCredential(3n, keyOf(name), Date.now() + 3_600_000, Buffer.from(text)))),
        );
    }

    /** Runs the actions of helpers/act.c; answers their lines. */
    async act(...actions: string[]): Promise<string[]> {
        const { stdout, stderr } = await this.guest.exec(`${act} ${actions.map(quote).join(" ")}`);
        return `${stdout}${stderr}`.trim().split("\n");
    }

    /** The counters of /sys/module/riptides/health. */
    async health(): Promise<Record<string, number>> {
        const [first, ...lines] = (await this.sh("cat /sys/module/riptides/health")).trim().split("\n");
        assert.equal(first, "ok");
        return Object.fromEntries(lines.map((line) => line.split(" ")).map(([name, value]) => [name!, Number(value)]));
    }

    /** What a binding says of an executable of the guest. */
    async executable(path: string): Promise<NonNullable<KernelFacts["executable"]>> {
        const [major, minor, inode] = (await this.sh(`stat -L -c "%Hd %Ld %i" ${path}`)).trim().split(" ");
        return { major: Number(major), minor: Number(minor), inode: BigInt(inode!) };
    }

    async sha256(path: string): Promise<Buffer> {
        return Buffer.from((await this.sh(`sha256sum ${path}`)).slice(0, 64), "hex");
    }

    private async placePrograms(programs: readonly string[]): Promise<void> {
        const built = mkdtempSync(join(tmpdir(), "riptides-kernel-test-"));
        try {
            await this.sh(`mkdir -p ${place}`);
            for (const name of programs) {
                const out = join(built, name);
                const how = linking[name] ?? ["-static"];
                execFileSync("gcc", ["-O2", "-Wall", ...how, `-I${kmod}`, "-o", out, ...sourcesOf(name)]);
                await this.guest.upload(out, `${place}/${name}`);
            }
            await this.guest.upload(this.guest.moduleFile, modulePath);
        } finally {
            rmSync(built, { recursive: true });
        }
    }

    /** Runs helpers/storm.c; answers its counters. */
    async storm(seconds: number, seed: number): Promise<Record<string, number>> {
        const command = `${place}/storm ${seconds} ${seed} ${modulePath}`;
        const { code, stdout, stderr } = await this.guest.exec(command, { timeoutMs: (seconds + 120) * 1_000 });
        assert.equal(code, 0, `${stdout}${stderr}`);
        return countsOf(stdout);
    }

    /** Sends frames made from the seeds by chance; answers how often each errno came. */
    async fuzz(seed: number, count: number, seeds: Buffer[]): Promise<Record<string, number>> {
        const frames = seeds.map((frame) => frame.toString("hex")).join("\n");
        const output = await this.sh(`${place}/fuzz ${seed} ${count}`, `${frames}\n`);
        const lines = output.trim().split("\n");
        return Object.fromEntries(lines.map((line) => line.split(" ")).map(([name, value]) => [name!, Number(value)]));
    }
}

/** The C files of a program: one of its name, or all in a folder of its name. */
function sourcesOf(program: string): string[] {
    const folder = join(helpers, program);
    if (!existsSync(folder)) return [join(helpers, `${program.replace(/\.so$/, "")}.c`)];
    return readdirSync(folder)
        .filter((name) => name.endsWith(".c"))
        .map((name) => join(folder, name));
}

/** The numbers of a line such as `whole=3 stale=0`. */
export function countsOf(line: string): Record<string, number> {
    return Object.fromEntries([...line.matchAll(/(\w+)=(\d+)/g)].map((match) => [match[1]!, Number(match[2])]));
}

export function keyOf(binding: string): BindingKey {
    return { workload, binding };
}

export function fileOf(binding: string): string {
    return `/sys/module/riptides/credentials/${workload}/crb-${binding}/vault.json`;
}

export function write(frame: Buffer): Step {
    return { do: "write", frame };
}

/** The steps that put a table in force. */
export function table(generation: bigint, bindings: Record<string, KernelFacts | KernelFacts[]>): Step[] {
    return [
        write(encodeBegin(2n, generation, Object.keys(bindings).length, 0)),
        ...Object.entries(bindings).map(([name, facts]) =>
            write(encodeBinding(2n, keyOf(name), [facts].flat(), inFile)),
        ),
        write(encodeCommit(2n, generation)),
    ];
}

export function quote(text: string): string {
    return `'${text.replaceAll("'", "'\\''")}'`;
}

function lineOf(step: Step): string {
    switch (step.do) {
        case "write":
            return `write ${step.frame.toString("hex")}`;
        case "nth":
            return `nth ${step.frames.map((frame) => frame.toString("hex")).join(",")}`;
        case "read":
            return step.waitMs === undefined ? "read" : `read ${step.waitMs}`;
        case "readsize":
            return `readsize ${step.size}`;
        case "run":
            return `run ${step.command}`;
        default:
            return step.do;
    }
}

function answerOf(step: Step, line: string): Answer {
    if (step.do === "run") {
        const [code, output] = line.split(" ");
        return { text: Buffer.from(output ?? "", "hex").toString(), code: Number(code) };
    }
    if ((step.do === "read" || step.do === "readsize") && /^([0-9a-f]{2}){16,}$/.test(line)) {
        return { text: line, message: decodeKernelMessage(Buffer.from(line, "hex")) };
    }
    return { text: line };
}
