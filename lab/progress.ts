// SPDX-License-Identifier: Apache-2.0

/** Lines on standard error that say what is being done, since when and how large it is: standard output stays the program's. */

export type Note = (text: string) => void;

const heartbeatMs = 10_000;

export function say(text: string): void {
    process.stderr.write(`lab: ${text}\n`);
}

/** `73 s`, `2 min 5 s`. */
export function elapsed(ms: number): string {
    const seconds = Math.round(ms / 1000);
    return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `512 kB`, `105.5 MB`: powers of ten, as package managers print them. */
export function size(bytes: number): string {
    return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * Runs one long piece of work: a line at its start, one each ten seconds with the latest note, one at its end.
 * The text that the work resolves to, if any, is added to the last line.
 */
export async function step<T>(what: string, work: (note: Note) => Promise<T>): Promise<T> {
    const start = Date.now();
    let latest = "";
    say(`${what} ...`);
    const heartbeat = setInterval(
        () => say(`${what} ... ${elapsed(Date.now() - start)}${latest && `, ${latest}`}`),
        heartbeatMs,
    );
    try {
        const result = await work((text) => (latest = text));
        say(`${what}: done in ${elapsed(Date.now() - start)}${latest && `, ${latest}`}`);
        return result;
    } catch (error) {
        say(`${what}: FAILED after ${elapsed(Date.now() - start)}`);
        throw error;
    } finally {
        clearInterval(heartbeat);
    }
}
