// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { tail } from "./log-tail";

/** A program of the lab that runs on its own: its pid, and its start in clock ticks since boot so that a reused pid is not taken for it. */
export interface RunningPart {
    name: string;
    pid: number;
    startTicks: string;
    log: string;
}

export interface PartCommand {
    name: string;
    file: string;
    args: string[];
    /** The whole environment: parts do not inherit this process's, which may hold somebody's secrets. */
    env?: Record<string, string>;
    cwd?: string;
}

const pollMs = 100;

/** Field 22 of /proc/<pid>/stat, or undefined when there is no such process (or only its unreaped remains). */
export function startTicks(pid: number): string | undefined {
    try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        // The second field is the program's name in parentheses and may hold anything.
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
    } catch (error) {
        if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
        throw error;
    }
}

export function isRunning(part: Pick<RunningPart, "pid" | "startTicks">): boolean {
    return startTicks(part.pid) === part.startTicks;
}

/** Starts a program in the background, its output in `<directory>/<name>.log`, its pid in `<directory>/<name>.pid`. */
export async function start(directory: string, command: PartCommand): Promise<RunningPart> {
    const log = join(directory, `${command.name}.log`);
    const output = openSync(log, "a", 0o600);
    const child = spawn(command.file, command.args, {
        cwd: command.cwd ?? directory,
        env: { PATH: process.env.PATH ?? "", HOME: directory, ...command.env },
        stdio: ["ignore", output, output],
        detached: true,
    });
    closeSync(output);
    await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (error) =>
            reject(new Error(`${command.name}: ${command.file} cannot be started: ${error.message}`)),
        );
    });
    child.unref();
    const pid = child.pid as number;
    writeFileSync(join(directory, `${command.name}.pid`), `${pid}\n`);
    return { name: command.name, pid, startTicks: startTicks(pid) ?? "gone", log };
}

/** Waits until `ready` answers true. Fails with the log's last lines when the part ends first or the time is over. */
export async function untilReady(
    part: RunningPart,
    what: string,
    timeoutMs: number,
    ready: () => Promise<boolean>,
): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await ready())) {
        const why = !isRunning(part)
            ? "ended while starting"
            : Date.now() > deadline
              ? `${what} within ${timeoutMs / 1000} s`
              : undefined;
        if (why) throw new Error(`${part.name} ${why}. Last lines of ${part.log}:\n${tail(part.log)}`);
        await pause(pollMs);
    }
}

/** Asks a part to end, and ends it after `graceMs`; does nothing when its pid is free or another program's by now. */
export async function stop(part: RunningPart, directory: string, graceMs = 10_000): Promise<void> {
    const end = async (signal: NodeJS.Signals, withinMs: number) => {
        if (!isRunning(part)) return true;
        process.kill(part.pid, signal);
        for (const deadline = Date.now() + withinMs; Date.now() < deadline; await pause(pollMs / 2)) {
            if (!isRunning(part)) return true;
        }
        return false;
    };
    if (!(await end("SIGTERM", graceMs)) && !(await end("SIGKILL", graceMs))) {
        throw new Error(`${part.name} (pid ${part.pid}) does not end; see ${part.log}`);
    }
    const pidFile = join(directory, `${part.name}.pid`);
    if (existsSync(pidFile)) rmSync(pidFile);
}
