// SPDX-License-Identifier: Apache-2.0
import type { Readable } from "node:stream";
import { Duration, RiptidesError } from "../../api";
import { sanitise } from "./sanitise";

/** A connection to a node on which shell scripts run. */
export interface Session {
    /** How a person would name the node: `gpu-1 (10.0.0.5:22)`. */
    readonly node: string;
    /**
     * Runs a POSIX shell script as root, or as the user who logged in.
     * @throws RiptidesError `NodeUnreachable` when the connection is lost, `NodeCommand` when `timeout` has passed
     */
    run(script: string, options?: RunOptions): Promise<Completed>;
    close(): void;
}

export interface RunOptions {
    /** Becomes the standard input of the script; empty when left out. The one way for a secret to reach a node. */
    stdin?: Uint8Array | Readable;
    /** Default: two minutes. */
    timeout?: Duration;
    /** Default: root. */
    as?: "root" | "user";
}

/** How a script ended. */
export interface Completed {
    /** Exit code; -1 when a signal ended it. */
    code: number;
    stdout: string;
    stderr: string;
}

/** Time a script gets when nothing else is said. */
export const ordinaryTimeout = Duration.seconds(120);

/**
 * Runs a script that must succeed, and gives its output.
 * @param what says in errors what was being done, for example `loading the module`
 * @throws RiptidesError `NodeCommand` with the end of what the script wrote
 */
export async function expectSuccess(
    session: Session,
    what: string,
    script: string,
    options?: RunOptions,
): Promise<string> {
    const { code, stdout, stderr } = await session.run(script, options);
    if (code !== 0) {
        throw new RiptidesError("NodeCommand", {
            reason: `${what} on ${session.node} ended with code ${code}: ${sanitise(stderr || stdout) || "no message"}`,
        });
    }
    return stdout;
}

/** A text as one word of a POSIX shell. */
export function quote(text: string): string {
    return `'${text.replaceAll("'", `'\\''`)}'`;
}
