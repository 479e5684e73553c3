// SPDX-License-Identifier: Apache-2.0
// `npm run demo`: the main job on the lab, shown step by step. With --json one object a line: {"step","ok","detail"}.
import { inspect } from "node:util";
import { messageOf } from "../api";
import { down, type Lab, up } from "../lab";
import { build } from "../scripts/build";
import { AwsSigV4 } from "./e2e/aws-sigv4";
import { FirstLight } from "./e2e/first-light";
import { WireInjection } from "./e2e/wire-injection";

const json = process.argv.includes("--json");

function show(step: string, ok: boolean, detail: unknown): void {
    if (json) {
        console.log(JSON.stringify({ step, ok, detail }));
    } else {
        console.log(`\n${ok ? "✔" : "✖"} ${step}`);
        console.log(
            typeof detail === "string"
                ? detail
                : inspect(detail, { depth: 6, breakLength: 110, colors: process.stdout.isTTY }),
        );
    }
}

async function main(): Promise<boolean> {
    let lab: Lab | undefined;
    let step = "0 lab";
    try {
        await build();
        lab = await up({ name: "demo" });
        show(step, true, {
            openbao: lab.bao.address,
            kubernetes: lab.kube.server,
            node: `Linux ${lab.node.kernelRelease}`,
            openai: lab.simulator.adminEndpoint,
        });
        const running = lab;
        const scenario = await FirstLight.begin(running);
        const steps: [string, () => Promise<unknown>][] = [
            ["1 pulumi up: state OK and the file's path", () => scenario.up()],
            ["2 the bound process reads its key and lists models", () => scenario.use()],
            ["3 another process of the same user, and root, are refused", () => scenario.refuse()],
            ["4 the bound process sees keys rotate and never a dead one", () => scenario.rotate()],
            ["5 pulumi preview tells the truth", () => scenario.change()],
            ["6 pulumi destroy leaves no live key", () => scenario.destroy()],
            ["7 on the wire: an agent uses OpenAI and never holds the key", () => wireInjection(running)],
            ["8 on the wire: plain requests to S3 are signed in the kernel", () => awsSigV4(running)],
        ];
        for (const [name, run] of steps) {
            step = name;
            show(name, true, await run());
        }
        return true;
    } catch (error) {
        show(step, false, messageOf(error));
        return false;
    } finally {
        if (lab) {
            await down(lab);
        }
    }
}

/** examples/wire-injection in short: the end-to-end test has more. */
async function wireInjection(lab: Lab) {
    const scenario = await WireInjection.begin(lab);
    return {
        up: await scenario.up(),
        used: await scenario.use(),
        refused: await scenario.refuse(),
        keysInItsMemory: (await scenario.memory()).keys,
        unbound: await scenario.unbound(),
        destroyed: await scenario.destroy(),
    };
}

/** examples/aws-sigv4 in short. */
async function awsSigV4(lab: Lab) {
    const scenario = await AwsSigV4.begin(lab);
    return {
        up: await scenario.up(),
        used: await scenario.use(),
        refused: await scenario.refuse(),
        unbound: await scenario.unbound(),
        destroyed: await scenario.destroy(),
    };
}

main().then(
    (ok) => process.exit(ok ? 0 : 1),
    (error: unknown) => {
        console.error(error);
        process.exit(1);
    },
);
