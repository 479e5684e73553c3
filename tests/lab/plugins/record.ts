// SPDX-License-Identifier: Apache-2.0
// Records what real servers answer the stand-ins while these are sent the recorded calls, for contract.test.ts to play.
// Usage: VAULT_ADDR=… VAULT_TOKEN=… tsx tests/lab/plugins/record.ts vault
//        KUBE_ADDR=… KUBE_TOKEN=… tsx tests/lab/plugins/record.ts kubernetes
// OpenBao must have a plugin openai-secrets v0.1.0 in its catalog; both servers must hold nothing of earlier runs.
import { configureFor, type Name, online, start } from "./plugin";
import { type Call, recorded } from "./replay";
import { record } from "./tape";

process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
const group = "/apis/core.riptides.io/v1alpha1/namespaces/riptides-system";

/** What was done by hand between the recorded calls. */
const hands: Record<Name, { before: (call: Call) => boolean; do: [string, string, object?][] }[]> = {
    vault: [
        {
            before: ({ step }) => step === "08-refresh-drift",
            do: [
                ["DELETE", "/v1/sys/policies/acl/read-openai-apikeys"],
                [
                    "POST",
                    "/v1/auth/jwt/role/openai-apikeys",
                    { role_type: "jwt", bound_subject: "spiffe://example.org/evil", user_claim: "sub" },
                ],
            ],
        },
    ],
    kubernetes: [
        {
            before: ({ step }) => step === "08-refresh-drift",
            do: [["DELETE", `${group}/services/openai-api`]],
        },
    ],
};

async function main(name: Name): Promise<void> {
    const [address, token] = name === "vault" ? ["VAULT_ADDR", "VAULT_TOKEN"] : ["KUBE_ADDR", "KUBE_TOKEN"];
    const server = process.env[address]!;
    const proxy = await record(name, server);
    const plugin = await start(name);
    await plugin.send(configureFor(name, proxy.address, process.env[token]!));
    const byHand = async (method: string, path: string, body?: object) => {
        const headers = {
            "X-Vault-Token": process.env[token]!,
            Authorization: `Bearer ${process.env[token]!}`,
            "Content-Type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
        };
        const answer = await fetch(server + path, { method, headers, body: body && JSON.stringify(body) });
        console.log("by hand:", method, path, answer.status);
    };
    for (const call of recorded(name).filter(({ method }) => online.includes(method))) {
        const due = hands[name].findIndex(({ before }) => before(call));
        for (const action of due === -1 ? [] : hands[name].splice(due, 1)[0]!.do) {
            await byHand(...action);
        }
        const sent = plugin.send(call);
        if (call.method === "Create" && call.request["preview"] !== true && call.request.name === "cb") {
            // The recorded binding waits for its state.
            setTimeout(
                () => void byHand("PATCH", `${group}/credentialbindings/b/status`, { status: { state: "OK" } }),
                500,
            );
        }
        await sent;
        console.log(call.step, call.method, call.request.type);
    }
    await plugin.stop();
    await proxy.stop();
}

void main(process.argv[2] as Name);
