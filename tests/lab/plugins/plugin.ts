// SPDX-License-Identifier: Apache-2.0
import { kubernetesProvider } from "../../../lab/plugins/kubernetes/provider";
import { vaultProvider } from "../../../lab/plugins/vault/provider";
import { type Call, type JsonMap, Replay } from "./replay";

export type Name = "vault" | "kubernetes";

/** Starts a stand-in in this process. Its environment is empty: nothing of this machine reaches a test. */
export function start(name: Name): Promise<Replay> {
    return Replay.start(name === "vault" ? vaultProvider({}) : kubernetesProvider({}));
}

/** The recorded Configure with another server's address. */
export function configureFor(name: Name, address: string, token = "token"): Pick<Call, "method" | "request"> {
    const args: JsonMap =
        name === "vault" ? { address, token, maxRetries: "0" } : { kubeconfig: kubeconfig(address, token) };
    const type = `pulumi:providers:${name}`;
    return { method: "Configure", request: { args, type, name, urn: `urn:pulumi:dev::rec::${type}::${name}` } };
}

function kubeconfig(server: string, token: string): string {
    return JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "lab", cluster: { server, "insecure-skip-tls-verify": true } }],
        users: [{ name: "lab", user: { token } }],
        contexts: [{ name: "lab", context: { cluster: "lab", user: "lab" } }],
        "current-context": "lab",
    });
}

/** Calls that a stand-in answers without a server. */
export const offline: readonly Call["method"][] = ["CheckConfig", "DiffConfig", "Check", "Diff"];

/** Calls that a stand-in answers from a server. */
export const online: readonly Call["method"][] = ["Create", "Read", "Update", "Delete"];
