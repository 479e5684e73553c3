// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { CredentialBindingStatus } from "../../api";
import type { Lab } from "../../lab";
import { askKube, eventually } from "./probe";
import type { LabStack } from "./stack";

/** What the agent reports of a binding that injects. */
export type InjectionStatus = NonNullable<CredentialBindingStatus["injection"]>;

const bindings = "/apis/core.riptides.io/v1alpha1/namespaces/riptides-system/credentialbindings";

/** Brings the stack up and checks that its outputs and the object's status say the same: OK, and where it injects. */
export async function upWithInjection(lab: Lab, stack: LabStack, binding: string, host: string) {
    const run = await stack.up();
    const outputs = Object.fromEntries(Object.entries(run.outputs).map(([key, { value }]) => [key, value as unknown]));
    assert.equal(outputs["state"], "OK", run.stdout);
    const services = [{ host, port: 443 }];
    assert.deepEqual((outputs["injection"] as InjectionStatus | undefined)?.services, services);
    const status = await bindingStatus(lab, binding);
    assert.equal(status.state, "OK");
    assert.deepEqual(status.injection?.services, services);
    assert.equal(status.sysfs, undefined, "a binding that only injects has no file");
    return { outputs };
}

export async function bindingStatus(lab: Lab, binding: string): Promise<CredentialBindingStatus> {
    const object = await askKube(lab, `${bindings}/${binding}`);
    assert.equal(object.status, 200, JSON.stringify(object.body));
    return object.body.status as CredentialBindingStatus;
}

/** Waits until the agent's report fits. */
export function reported(
    lab: Lab,
    binding: string,
    fits: (status: InjectionStatus) => boolean,
): Promise<InjectionStatus> {
    return eventually(async () => {
        const { injection } = await bindingStatus(lab, binding);
        assert.ok(injection && fits(injection), `the binding's status is ${JSON.stringify(injection)}`);
        return injection;
    }, 60_000);
}

/** systemd starts a helper that died again at once: requests go through, so only its journal tells. */
export async function helperNeverDied(lab: Lab): Promise<void> {
    const { stdout } = await lab.node.exec(
        "journalctl --unit riptides-tls.service --output cat --no-pager | grep -F 'Main process exited'",
    );
    assert.equal(stdout, "", "the TLS helper died");
}

/** Nothing of agent, module and helper is left on the node. */
export async function nodeIsClean(lab: Lab): Promise<void> {
    const left = await lab.node.exec(
        `ls -d /sys/module/riptides /proc/riptides /dev/riptides /dev/riptides-tls /usr/lib/riptides /etc/riptides /var/lib/riptides /run/riptides \
            /etc/systemd/system/riptides-agent.service /etc/systemd/system/riptides-tls.service 2>/dev/null
        systemctl is-active riptides-agent riptides-tls`,
    );
    assert.deepEqual(
        left.stdout
            .trim()
            .split("\n")
            .filter((line) => line !== "inactive" && line !== "unknown"),
        [],
        "something is left on the node",
    );
}
