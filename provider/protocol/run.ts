// SPDX-License-Identifier: Apache-2.0
import type { Provider } from "./resource";
import { serve } from "./server";

const parentCheckMilliseconds = 5_000;

/**
 * Runs a plugin process: serves the provider, prints its port as the engine expects, and ends with the engine.
 * The engine's address is the last argument that is no flag.
 */
export async function run(provider: Provider): Promise<void> {
    const parent = process.ppid;
    const address = process.argv
        .slice(2)
        .filter((argument) => !argument.startsWith("-"))
        .at(-1);
    const { port } = await serve(provider, address);
    process.stdout.write(`${port}\n`);
    // Ctrl+C reaches the whole process group: the engine sends Cancel in an orderly way, then ends the process.
    process.on("SIGINT", () => undefined);
    // An engine that was killed cannot end its plugins.
    setInterval(() => {
        if (process.ppid !== parent) {
            process.exit(0);
        }
    }, parentCheckMilliseconds);
}
