// SPDX-License-Identifier: Apache-2.0
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Below the kernel's range for outgoing connections (32768 and up), so that no client takes a port between choice and use.
const lowest = 20_000;
const highest = 31_999;

/** Whether a port of 127.0.0.1 can be bound now. */
export function isFree(port: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.once("error", (error: NodeJS.ErrnoException) =>
            error.code === "EADDRINUSE" || error.code === "EACCES" ? resolve(false) : reject(error),
        );
        server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
    });
}

/** One free loopback port for each name, all different. */
export async function freePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
    const chosen = new Set<number>();
    const ports = {} as Record<Name, number>;
    for (const name of names) {
        let port: number;
        do port = randomInt(lowest, highest + 1);
        while (chosen.has(port) || !(await isFree(port)));
        chosen.add(port);
        ports[name] = port;
    }
    return ports;
}
