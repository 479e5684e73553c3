// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Authority } from "./certificates";
import { ask } from "./https";
import { start, untilReady, type RunningPart } from "./part";
import type { PortName } from "./state";
import { tool } from "./tools";

const startLimitMs = 120_000;

/** A Kubernetes API without nodes: etcd, kube-apiserver (RBAC, TLS) and the controllers that deletion and service accounts need. */
export async function startKubernetes(
    directory: string,
    authority: Authority,
    ports: Record<PortName, number>,
    token: string,
    started: (part: RunningPart) => void,
): Promise<void> {
    const [etcdFile, apiserverFile] = await Promise.all([tool("etcd"), tool("kubeApiserver")]);
    const controllers = tool("kubeControllerManager");
    // Reported when it is awaited below; not as an unhandled rejection while the others still start.
    controllers.catch(() => undefined);

    const peer = `http://127.0.0.1:${ports.etcdPeer}`;
    const client = `https://127.0.0.1:${ports.etcd}`;
    // Client certificates on etcd: it holds the cluster's Secrets, and any user of this machine reaches loopback.
    const etcdCertificate = authority.issue("etcd", [], true);
    rmSync(join(directory, "etcd"), { recursive: true, force: true });
    const etcd = await start(directory, {
        name: "etcd",
        file: etcdFile,
        args: [
            `--data-dir=${join(directory, "etcd")}`,
            `--listen-client-urls=${client}`,
            `--advertise-client-urls=${client}`,
            `--cert-file=${etcdCertificate.certFile}`,
            `--key-file=${etcdCertificate.keyFile}`,
            `--trusted-ca-file=${authority.caFile}`,
            "--client-cert-auth",
            `--listen-peer-urls=${peer}`,
            `--initial-advertise-peer-urls=${peer}`,
            `--initial-cluster=default=${peer}`,
            "--unsafe-no-fsync",
        ],
    });
    started(etcd);

    const serviceAccounts = generateKeyPairSync("rsa", {
        modulusLength: 2048,
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs1", format: "pem" },
    });
    const signingKey = join(directory, "certs", "service-accounts.key");
    const verifyingKey = join(directory, "certs", "service-accounts.pub");
    const tokens = join(directory, "certs", "tokens.csv");
    writeFileSync(signingKey, serviceAccounts.privateKey, { mode: 0o600 });
    writeFileSync(verifyingKey, serviceAccounts.publicKey);
    writeFileSync(tokens, `${token},lab-admin,lab-admin,"system:masters"\n`, { mode: 0o600 });
    const server = `https://127.0.0.1:${ports.kube}`;
    const certificate = authority.issue("kube-apiserver");
    const apiserver = await start(directory, {
        name: "kube-apiserver",
        file: apiserverFile,
        args: [
            `--etcd-servers=${client}`,
            `--etcd-cafile=${authority.caFile}`,
            `--etcd-certfile=${etcdCertificate.certFile}`,
            `--etcd-keyfile=${etcdCertificate.keyFile}`,
            "--bind-address=127.0.0.1",
            `--secure-port=${ports.kube}`,
            `--tls-cert-file=${certificate.certFile}`,
            `--tls-private-key-file=${certificate.keyFile}`,
            `--cert-dir=${join(directory, "certs")}`,
            "--service-account-issuer=https://kubernetes.default.svc",
            `--service-account-key-file=${verifyingKey}`,
            `--service-account-signing-key-file=${signingKey}`,
            `--token-auth-file=${tokens}`,
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
        ],
    });
    started(apiserver);

    const kubeconfig = kubeconfigFile(directory);
    writeFileSync(kubeconfig, kubeconfigText(server, authority.caPem, token), { mode: 0o600 });
    const headers = { authorization: `Bearer ${token}` };
    await untilReady(apiserver, "/readyz did not answer 200", startLimitMs, async () => {
        return (await ask(`${server}/readyz`, { headers, ca: authority.caPem })).status === 200;
    });

    const manager = await start(directory, {
        name: "kube-controller-manager",
        file: await controllers,
        args: [
            `--kubeconfig=${kubeconfig}`,
            // Without the garbage collector and the namespace controller no foreground delete and no Namespace delete ends.
            "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,serviceaccount-token-controller,daemonset-controller,root-ca-certificate-publisher-controller",
            `--service-account-private-key-file=${signingKey}`,
            `--root-ca-file=${authority.caFile}`,
            "--leader-elect=false",
            "--secure-port=0",
        ],
    });
    started(manager);
    await untilReady(manager, "no default service account", startLimitMs, async () => {
        const account = `${server}/api/v1/namespaces/default/serviceaccounts/default`;
        return (await ask(account, { headers, ca: authority.caPem })).status === 200;
    });
}

export function kubeconfigFile(directory: string): string {
    return join(directory, "kubeconfig");
}

function kubeconfigText(server: string, caPem: string, token: string): string {
    return `apiVersion: v1
kind: Config
clusters: [{ name: lab, cluster: { server: "${server}", certificate-authority-data: ${Buffer.from(caPem).toString("base64")} } }]
users: [{ name: lab, user: { token: "${token}" } }]
contexts: [{ name: lab, context: { cluster: lab, user: lab } }]
current-context: lab
`;
}
