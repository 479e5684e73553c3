// SPDX-License-Identifier: Apache-2.0
// From "this workload shall have a key" to a file with it: creating a CredentialBinding until the agent's report that the kernel holds
// the key, against starting `bao agent` until its template is rendered; same secret, same node.
import { request } from "node:https";
import { askKube } from "../tests/e2e/probe";
import type { Lab } from "../lab";
import { BenchNode } from "./node";
import { lessIsBetter, type Row } from "./row";

const objects = "/apis/core.riptides.io/v1alpha1/namespaces/riptides-system/credentialbindings";
const pairs = 5;

export async function bench(): Promise<Row[]> {
    const node = await BenchNode.start();
    const ours: number[] = [];
    const peer: number[] = [];
    for (let pair = 0; pair < pairs; pair++) {
        ours.push(await bind(node.lab, `bench-${pair}`));
        const { seconds, pid } = await node.startBaoAgent();
        peer.push(seconds);
        await node.must(`kill ${pid}`);
    }
    return [lessIsBetter("delivery: binding to readable file", "s", ours, peer)];
}

async function bind(lab: Lab, name: string): Promise<number> {
    const ready = reported(lab, name);
    const begin = process.hrtime.bigint();
    const made = await askKube(lab, objects, "POST", {
        apiVersion: "core.riptides.io/v1alpha1",
        kind: "CredentialBinding",
        metadata: { name },
        spec: { workloadID: "ai-agent", credentialSource: "vault-openai-apikeys", propagation: { sysfs: {} } },
    });
    if (made.status !== 201) {
        throw new Error(`the API server answered ${made.status}`);
    }
    await ready;
    const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
    await askKube(lab, `${objects}/${name}`, "DELETE");
    return seconds;
}

/** Resolves at the first event of the watch that says OK. */
function reported(lab: Lab, name: string): Promise<void> {
    return new Promise((done, failed) => {
        const watch = request(
            `${lab.kube.server}${objects}?watch=1&fieldSelector=metadata.name%3D${name}`,
            { ca: lab.kube.caPem, headers: { Authorization: `Bearer ${lab.kube.token}` } },
            (answer) => {
                let text = "";
                answer.setEncoding("utf8");
                answer.on("data", (part: string) => {
                    text += part;
                    if (/"state":"(OK|FAILED)"/.test(text)) {
                        watch.destroy();
                        if (text.includes('"state":"OK"')) {
                            done();
                        } else {
                            failed(new Error(`the binding ${name} failed: ${text.slice(-500)}`));
                        }
                    }
                });
            },
        );
        watch.once("error", failed);
        watch.end();
    });
}
