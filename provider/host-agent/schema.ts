// SPDX-License-Identifier: Apache-2.0
import { RiptidesError, trustDomain } from "../../api";
import type { Value } from "../protocol";
import type { Table } from "../table";
import { parseHostKey } from "./host-key";

/** Shape of `riptides:node:HostAgent`. */
export const hostAgentTable = {
    token: "riptides:node:HostAgent",
    doc: "The node agent and the kernel module on one Linux host, installed, upgraded and removed over SSH.",
    notes: `
What is put on the node, how it is upgraded and removed, and what a node must have: [node.md](../node.md).
`,
    inputs: {
        connection: {
            required: true,
            doc: "How to reach the node by SSH.",
            type: {
                object: "NodeConnection",
                fields: {
                    host: {
                        type: "string",
                        required: true,
                        immutable: true,
                        doc: "Name or address of the node.",
                        check: pattern(/^[A-Za-z0-9._:%-]+$/, "a host name or an IP address"),
                    },
                    port: { type: "integer", default: 22, immutable: true, doc: "Port of its sshd.", check: port },
                    user: {
                        type: "string",
                        default: "root",
                        doc: "Who logs in; a user other than root needs `sudo` without a password.",
                        check: pattern(/^[A-Za-z0-9_][A-Za-z0-9._$@-]*$/, "the name of a user"),
                    },
                    privateKey: {
                        type: "string",
                        required: true,
                        secret: true,
                        doc: "Unencrypted private key (OpenSSH or PEM) of that user.",
                        check: notEmpty,
                    },
                    hostKey: {
                        type: "string",
                        required: true,
                        doc: "Public key of the node, as a line of /etc/ssh/ssh_host_ed25519_key.pub or a `SHA256:` fingerprint. Another key ends the connection before anything is sent.",
                        check: (value) => parseHostKey(String(value)).text,
                    },
                },
            },
        },
        trustDomain: {
            type: "string",
            required: true,
            doc: "Trust domain of the SPIFFE ids of the node's workloads.",
            check: (value, property) => trustDomain(String(value), property),
        },
        namespace: {
            type: "string",
            required: true,
            doc: "Kubernetes namespace of the custom resources that the agent follows.",
            check: pattern(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "the name of a namespace"),
        },
        cluster: {
            required: true,
            doc: "The Kubernetes API as the node reaches it.",
            type: {
                object: "NodeCluster",
                fields: {
                    server: {
                        type: "string",
                        required: true,
                        doc: "URL, for example `https://10.0.0.10:6443`.",
                        check: pattern(/^https:\/\/[^\s/]+\/?$/, "an https URL without a path"),
                    },
                    certificateAuthorityData: {
                        type: "string",
                        required: true,
                        doc: "PEM certificates of its authority, base64 as in a kubeconfig.",
                        check: certificates,
                    },
                    token: {
                        type: "string",
                        required: true,
                        secret: true,
                        doc: "Service-account token of the agent. On the node it exists sealed (systemd-creds) and in memory only.",
                        check: bareToken,
                    },
                },
            },
        },
        bundleDir: {
            type: "string",
            doc: "Directory of the agent bundle on this machine. Default: the one next to the plugin.",
        },
        moduleDir: {
            type: "string",
            doc: "Directory of more prebuilt modules, `<kernel release>/riptides.ko`.",
        },
        readyTimeout: {
            type: "duration",
            default: "5m",
            doc: "How long the agent may take to start and register itself.",
        },
    },
    outputs: {
        agentId: { type: "string", stable: true, doc: "UUID of the agent; its Daemon object has it as name." },
        publicKey: {
            type: "string",
            stable: true,
            doc: "Public key of the agent (SPKI PEM), for the JWT auth method that trusts it. The private key never leaves the node.",
        },
        workloadId: { type: "string", stable: true, doc: "Workload ID of the agent, `riptides/daemon/<agentId>`." },
        hostname: { type: "string", stable: true, doc: "Name of the node, as it says itself." },
        kernelRelease: { type: "string", doc: "Kernel of the node (`uname -r`)." },
        moduleVersion: { type: "string", doc: "Version of the module in the kernel." },
        agentVersion: { type: "string", doc: "Version of the installed agent." },
        bundleSha256: {
            type: "string",
            doc: "Digest of agent, unit, runtime and modules. Differs in a preview when `up` would install something else.",
        },
        condition: {
            type: "string",
            doc: "`running`, or what a refresh found wrong. Differs in a preview when `up` would repair the node.",
        },
        installation: { type: "string", stable: true, doc: "UUID of this installation, also noted on the node." },
    },
} as const satisfies Table;

/** What `condition` says of a node that is as it should be. */
export const running = "running";

function pattern(allowed: RegExp, wanted: string) {
    return (value: Value, property: string): Value => {
        const text = String(value).trim();
        if (!allowed.test(text)) {
            throw new RiptidesError("InvalidProperty", {
                property,
                reason: `${JSON.stringify(text)} is not ${wanted}`,
            });
        }
        return text;
    };
}

function port(value: Value, property: string): Value {
    if (Number(value) < 1 || Number(value) > 65535) {
        throw new RiptidesError("InvalidProperty", { property, reason: `${String(value)} is not 1 to 65535` });
    }
    return value;
}

function notEmpty(value: Value, property: string): Value {
    if (String(value).trim() === "") {
        throw new RiptidesError("MissingProperty", { property, reason: "it is empty" });
    }
    return value;
}

function bareToken(value: Value, property: string): Value {
    const token = String(value).trim();
    if (!/^[\x21-\x7e]+$/.test(token)) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: token ? "a token has no spaces and only ASCII characters" : "the token is empty",
            fix: "Give the bare token of a service account.",
        });
    }
    return token;
}

function certificates(value: Value, property: string): Value {
    const encoded = String(value).replace(/\s+/g, "");
    if (!Buffer.from(encoded, "base64").toString("latin1").includes("-----BEGIN CERTIFICATE-----")) {
        throw new RiptidesError("InvalidProperty", {
            property,
            reason: "it is not base64 of PEM certificates",
            fix: "Copy certificate-authority-data of a kubeconfig.",
        });
    }
    return encoded;
}
