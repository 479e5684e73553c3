// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import * as riptides from "pulumi-riptides";

const config = new pulumi.Config();

// Where the AWS credentials come from: a role of the AWS secrets engine, or anything else that gives its field names.
const awsPath = config.require("awsPath");
const region = config.get("region") ?? "us-east-1";
const bucket = config.require("bucket");
const maxTtl = config.get("maxTtl") ?? "1h";
const workloadId = "s3-uploader";

// What the cluster needs once.
const resources = new riptides.RiptidesResources("riptides");

// The host: agent and kernel module.
const node = new riptides.HostNodeAgent("node", {
    resources,
    trustDomain: config.get("trustDomain"),
    connection: {
        host: config.require("nodeHost"),
        port: config.getNumber("nodePort"),
        user: config.get("nodeUser"),
        hostKey: config.require("nodeHostKey"),
        privateKey: config.requireSecret("nodePrivateKey"),
    },
    cluster: {
        server: config.require("clusterServer"),
        certificateAuthorityData: config.require("clusterCa"),
    },
    moduleDir: config.get("moduleDir"),
});

// Who may read the credentials: the identity of one workload, as signed by this node, with a token for one read and its own end.
const policy = new vault.Policy("read-aws", {
    name: "read-aws-credentials",
    policy: `path "${awsPath}" {
  capabilities = ["read"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
`,
});
const auth = new riptides.WorkloadJwtAuth("workloads", {
    agents: [node],
    trustDomain: node.trustDomain,
    path: "jwt-aws",
});
const login = auth.role("s3-uploader", { workloadId, policies: [policy.name], maxTtl, agentIds: [node.agentId] });

// Where requests are signed: for S3 of one region, under its own name.
const metadata = (name: string) => ({ name, namespace: node.namespace });
const inCluster = { dependsOn: [resources] };
const service = new riptides.Service(
    "s3",
    {
        metadata: metadata("s3"),
        spec: {
            labels: { api: "s3" },
            addresses: [{ address: `s3.${region}.amazonaws.com`, port: 443 }],
            external: true,
        },
    },
    inCluster,
);
const source = new riptides.CredentialSource(
    "aws",
    {
        metadata: metadata("aws"),
        spec: {
            vault: {
                address: config.require("vaultAddress"),
                jwtAuthMethodPath: auth.path,
                role: login.roleName,
                path: awsPath,
                audience: ["vault"],
                caBundle: config.get("vaultCaBundle"),
            },
        },
    },
    inCluster,
);

// Whose requests: a program at this path, run by this unit.
const identity = new riptides.WorkloadIdentity(
    "s3-uploader",
    {
        metadata: metadata("s3-uploader"),
        spec: {
            workloadID: workloadId,
            scope: { agent: { id: node.workloadId } },
            selectors: [{ "process:binary:path": "/usr/local/bin/s3-uploader", "systemd:unit": "s3-uploader.service" }],
        },
    },
    inCluster,
);

// The binding of the two: objects of one bucket may be written and read, nothing else.
const binding = new riptides.CredentialBinding(
    "s3-uploader-aws",
    {
        metadata: metadata("s3-uploader-aws"),
        spec: {
            workloadID: workloadId,
            credentialSource: source.metadata.name,
            propagation: {
                injection: {
                    selectors: [{ api: "s3" }],
                    sigv4: { region, service: "s3" },
                    allow: [{ methods: ["GET", "PUT"], pathPrefixes: [`/${bucket}`] }],
                },
            },
            refreshTrigger: config.get("refreshTrigger"),
        },
    },
    { dependsOn: [service, source, identity, login] },
);
const status = new riptides.BindingStatus(
    "s3-uploader-aws",
    { namespace: node.namespace, name: binding.metadata.name, generation: binding.metadata.generation },
    { dependsOn: [binding] },
);

/** OK when the kernel can sign. */
export const state = status.state;
/** Where it signs: host and port. */
export const injection = status.injection;
export const agentId = node.agentId;
