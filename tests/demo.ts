// SPDX-License-Identifier: Apache-2.0
// `npm run demo`: the main job on the lab, shown step by step. With --json one object a line: {"step","ok","detail"}.
import { inspect } from "node:util";
import { messageOf } from "../api";
import { down, type Lab, up } from "../lab";
import { build } from "../scripts/build";
import { FirstLight } from "./e2e/first-light";

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
        const scenario = await FirstLight.begin(lab);
        const steps: [string, () => Promise<unknown>][] = [
            ["1 pulumi up: state OK and the file's path", () => scenario.up()],
            ["2 the bound process reads its key and lists models", () => scenario.use()],
            ["3 another process of the same user, and root, are refused", () => scenario.refuse()],
            ["4 the bound process sees keys rotate and never a dead one", () => scenario.rotate()],
            ["5 pulumi preview tells the truth", () => scenario.change()],
            ["6 pulumi destroy leaves no live key", () => scenario.destroy()],
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

main().then(
    (ok) => process.exit(ok ? 0 : 1),
    (error: unknown) => {
        console.error(error);
        process.exit(1);
    },
);
