// SPDX-License-Identifier: Apache-2.0
// `npm test [-- suite...]`: runs the suites and ends with `N passed, N failed`.
import { build } from "../scripts/build";
import { down, guestNames, toolPath, up } from "../lab";
import { type Count, goTest, mocha, testFiles } from "./suites";

const lab = "test";
/** `RIPTIDES_GUEST`: another node than Debian 13, for the suites that need one (docs/lab.md). */
const guest = guestNames.find((name) => name === (process.env.RIPTIDES_GUEST || "trixie"));

interface Suite {
    needsLab: boolean;
    /** Added to the command line of the lab's node. */
    kernelArguments?: string;
    run: () => Promise<Count[]>;
}

const suites: Record<string, Suite> = {
    fast: {
        needsLab: false,
        run: async () => [
            await mocha(["api", "components", "provider", "agent", "kmod", "lab", "scripts"].flatMap(testFiles)),
        ],
    },
    engine: {
        needsLab: false,
        run: async () => {
            const bao = await toolPath("bao");
            return [
                await goTest("lab/simulator", []),
                await goTest("engine", ["-timeout=20m"], { BAO: bao }),
                await mocha(testFiles("engine"), { BAO: bao }),
            ];
        },
    },
    e2e: { needsLab: true, run: async () => [await mocha(testFiles("e2e"), { RIPTIDES_LAB: lab })] },
    // Every allocation is checked for writes out of bounds and after free.
    kernel: {
        needsLab: true,
        kernelArguments: "slub_debug=FZPU",
        run: async () => [await mocha(testFiles("kernel"), { RIPTIDES_LAB: lab })],
    },
};

async function main(names: string[]): Promise<Count> {
    const chosen = names.length > 0 ? names : Object.keys(suites);
    if (!guest) {
        throw new Error(
            `RIPTIDES_GUEST: there is no guest ${process.env.RIPTIDES_GUEST}; give ${guestNames.join(", ")}`,
        );
    }
    const unknown = chosen.find((name) => !(name in suites));
    if (unknown !== undefined) {
        throw new Error(`there is no suite ${unknown}; the suites are ${Object.keys(suites).join(", ")}`);
    }
    const total: Count = { passed: 0, failed: 0 };
    const add = (count: Count) => {
        total.passed += count.passed;
        total.failed += count.failed;
    };
    for (const name of chosen.filter((name) => !suites[name]!.needsLab)) {
        console.log(`\n=== ${name}`);
        (await suites[name]!.run()).forEach(add);
    }
    for (const name of chosen.filter((name) => suites[name]!.needsLab)) {
        console.log(`\n=== ${name}`);
        await build();
        // The debug kernel has KASAN, which finds more and is slow enough.
        const kernelArguments = guest === "debug" ? undefined : suites[name]!.kernelArguments;
        // A lab a suite: a kernel panic must not spoil the next one.
        const running = await up({
            name: lab,
            guest,
            ...(kernelArguments ? { kernelArguments } : {}),
        });
        try {
            (await suites[name]!.run()).forEach(add);
        } finally {
            await down(running);
        }
    }
    return total;
}

main(process.argv.slice(2)).then(
    ({ passed, failed }) => {
        console.log(`\n${passed} passed, ${failed} failed`);
        process.exit(failed > 0 || passed === 0 ? 1 : 0);
    },
    (error: unknown) => {
        console.error(error);
        console.log("\n0 passed, 1 failed");
        process.exit(1);
    },
);
