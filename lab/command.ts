// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { accessSync, constants, createWriteStream, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { lastLines } from "./log-tail";

export interface CommandOptions {
    cwd?: string;
    /** Added to (or, with undefined, taken from) this process's environment. */
    env?: Record<string, string | undefined>;
    stdin?: string | Buffer;
    /** File that output is also appended to. */
    log?: string;
    timeoutMs?: number;
    /** Called with each line of output, for progress. */
    line?: (text: string) => void;
    /** Lower priority for builds, so that the servers that run beside them stay quick. */
    nice?: boolean;
}

export interface CommandResult {
    code: number;
    stdout: string;
    stderr: string;
}

/** A command that could not be run, was stopped at its time limit, or ended with another status than 0. */
export class CommandError extends Error {
    constructor(
        readonly command: string,
        readonly result: CommandResult,
        why: string,
        log?: string,
    ) {
        super(
            `${command}: ${why}${log ? ` (log: ${log})` : ""}\n${lastLines(result.stderr || result.stdout, 15)}`.trimEnd(),
        );
    }
}

/** Runs a program without a shell; never rejects for its status, only if it cannot be started or runs out of time. */
export function attempt(program: string, args: string[], options: CommandOptions = {}): Promise<CommandResult> {
    const [file, argv] = options.nice ? ["nice", ["-n", "5", program, ...args]] : [program, args];
    const shown = [program, ...args].join(" ").slice(0, 200);
    return new Promise((resolve, reject) => {
        const child = spawn(file, argv, {
            cwd: options.cwd,
            env: { ...process.env, ...options.env },
            stdio: ["pipe", "pipe", "pipe"],
        });
        const result: CommandResult = { code: -1, stdout: "", stderr: "" };
        const log = options.log ? createWriteStream(options.log, { flags: "a" }) : undefined;
        let expired = false;
        const timer =
            options.timeoutMs === undefined
                ? undefined
                : setTimeout(() => {
                      expired = true;
                      child.kill("SIGKILL");
                  }, options.timeoutMs);
        const collect = (stream: "stdout" | "stderr") => (chunk: string) => {
            result[stream] += chunk;
            log?.write(chunk);
            if (options.line) for (const line of chunk.split("\n")) if (line.trim()) options.line(line.trim());
        };
        child.stdout.setEncoding("utf8").on("data", collect("stdout"));
        child.stderr.setEncoding("utf8").on("data", collect("stderr"));
        // A program that ends without reading its input breaks the pipe; its status tells what matters.
        child.stdin.on("error", (error: NodeJS.ErrnoException) => {
            if (error.code !== "EPIPE") reject(error);
        });
        child.on("error", (error) => {
            clearTimeout(timer);
            log?.end();
            reject(new CommandError(shown, result, `cannot be started: ${error.message}`, options.log));
        });
        child.on("close", (code, signal) => {
            clearTimeout(timer);
            log?.end();
            if (expired) reject(new CommandError(shown, result, `stopped after ${options.timeoutMs} ms`, options.log));
            else resolve({ ...result, code: code ?? 128 + (signal === "SIGKILL" ? 9 : 15) });
        });
        child.stdin.end(options.stdin ?? "");
    });
}

/** As {@link attempt}, but any status other than 0 is a {@link CommandError} with the last lines of the output. */
export async function run(program: string, args: string[], options: CommandOptions = {}): Promise<CommandResult> {
    const result = await attempt(program, args, options);
    if (result.code !== 0) {
        throw new CommandError(
            [program, ...args].join(" ").slice(0, 200),
            result,
            `ended with status ${result.code}`,
            options.log,
        );
    }
    return result;
}

/** The file a bare program name stands for, or undefined. */
export function which(program: string, path = process.env.PATH ?? ""): string | undefined {
    // Debian keeps administration tools out of the PATH of a plain user.
    for (const directory of [...path.split(delimiter), "/usr/sbin", "/sbin"]) {
        const file = join(directory, program);
        try {
            accessSync(file, constants.X_OK);
            if (directory && statSync(file).isFile()) return file;
        } catch (error) {
            if (!["ENOENT", "EACCES", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
        }
    }
    return undefined;
}
