// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type Lab, open } from "../../lab";
import { exampleConfig } from "./first-light";
import { simulatorState } from "./probe";
import { LabStack } from "./stack";

// Only a reboot takes a lockdown back, so these are the last tests on their node.
describe("e2e: a node whose kernel takes signed modules only", function () {
    this.timeout(10 * 60_000);
    this.bail(true);
    let lab: Lab;
    let stack: LabStack;

    before(async () => {
        lab = await open(process.env["RIPTIDES_LAB"]);
        stack = await LabStack.open(lab, "lockdown", "openai-agent");
        await stack.configure(exampleConfig(lab));
        const { code, stderr } = await lab.node.exec("echo integrity > /sys/kernel/security/lockdown");
        assert.equal(code, 0, stderr);
    });

    it("given a kernel under lockdown and an unsigned module, up says so and installs nothing", async () => {
        const { line } = await stack.refused("KernelLockdown");
        assert.match(line, /lockdown/i);
        const { stdout } = await lab.node.exec(
            "ls -d /usr/lib/riptides /etc/riptides /sys/module/riptides 2>/dev/null; grep -c ^riptides /proc/modules",
        );
        assert.equal(stdout, "0\n");
    });

    it("given what it made before, destroy removes it, and no key is alive", async () => {
        await stack.destroy();
        await stack.remove();
        const { accounts, live_keys } = await simulatorState(lab);
        assert.deepEqual({ accounts, live_keys }, { accounts: [], live_keys: 0 });
    });
});
