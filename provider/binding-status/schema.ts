// SPDX-License-Identifier: Apache-2.0
import type { Table } from "../table";

/** Shape of `riptides:index:BindingStatus`. */
export const bindingStatusTable = {
    token: "riptides:index:BindingStatus",
    doc: "Waits until the node agent has reported on a CredentialBinding, and gives the report as outputs.",
    notes: `
## What happens

- Create and update watch the binding until its status is OK for its present generation; a status that speaks of an older generation is not trusted.
- A status FAILED that lasts longer than \`failureGrace\` ends \`up\` with the agent's own reason and message. Agents pass through FAILED on their way, hence the grace.
- At the timeout (the option \`customTimeouts\`, else \`timeout\`) the error lists what is missing: the binding, its CredentialSource, its WorkloadIdentity, the agent's Daemon.
- In both cases the state keeps the resource, and the next \`up\` waits again.
- A status OK whose credential ended more than five minutes ago is of an agent that is gone: a refresh shows it as FAILED with reason \`Expired\`, and a wait goes on.
- A binding that injects is OK when the kernel has its table and its credential, and the node its TLS helper. What happens on the wire later (counts, own TLS, failed handshakes) is in the binding's status, \`kubectl get cb\`, and as a warning in \`reason\` and \`message\`.
- While waiting, the resource's row says what for.
- Preview and \`up\` read the status again first, so that a binding that went bad since shows as a change; the next \`up\` waits for it again.
- Delete does nothing at the cluster.

## Permissions of the kubeconfig

\`get\`, \`list\` and \`watch\` on credentialbindings, and \`get\` and \`list\` on credentialsources, workloadidentitys and daemons, of group core.riptides.io.
`,
    importId: "riptides-system/my-binding",
    inputs: {
        namespace: { type: "string", required: true, immutable: true, doc: "Namespace of the CredentialBinding." },
        name: { type: "string", required: true, immutable: true, doc: "Name of the CredentialBinding." },
        generation: { type: "any", doc: "Any value; the status is waited for again when it changes." },
        failureGrace: {
            type: "duration",
            default: "30s",
            doc: "How long a FAILED status may last before `up` ends with it.",
        },
        timeout: { type: "duration", default: "5m", doc: "How long to wait for OK. `customTimeouts` goes before it." },
    },
    outputs: {
        state: { type: "string", doc: "`OK` or `FAILED`." },
        message: { type: "string", doc: "The agent's message, if any." },
        reason: { type: "string", doc: "One word of the error catalogue, or of its warnings." },
        files: {
            type: {
                list: {
                    object: "CredentialFile",
                    fields: {
                        path: { type: "string", required: true, doc: "Absolute path on the node." },
                        type: { type: "string", required: true, doc: "`CREDENTIAL`, `CONFIG` or `TOKEN`." },
                    },
                },
            },
            doc: "Files on the node; none when the credential is only injected.",
        },
        injection: {
            type: {
                object: "Injection",
                fields: {
                    services: {
                        type: {
                            list: {
                                object: "InjectedService",
                                fields: {
                                    host: { type: "string", required: true, doc: "Name that the server proves." },
                                    port: { type: "integer", required: true, doc: "Its port." },
                                },
                            },
                        },
                        required: true,
                        doc: "Hosts and ports to whose requests the kernel adds the credential.",
                    },
                },
            },
            doc: "Where the credential is injected; absent when it is only a file.",
        },
        agent: { type: "string", doc: "Workload ID of the agent that reported." },
    },
} as const satisfies Table;
