// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { messageOf } from "../api";
import { invalid, isLoopback, missing } from "./check";

/** Where a cluster is, as a kubeconfig says it. */
export interface ClusterAddress {
    server: string;
    /** PEM certificates in base64. */
    certificateAuthorityData: string;
}

interface Kubeconfig {
    "current-context"?: string;
    contexts?: { name: string; context: { cluster: string } }[];
    clusters?: {
        name: string;
        cluster: { server?: string; "certificate-authority-data"?: string; "certificate-authority"?: string };
    }[];
}

const ask = "Set cluster.server and cluster.certificateAuthorityData to what the node should use.";

/**
 * The cluster of the current context, from the first file of `KUBECONFIG` or `~/.kube/config`.
 * @throws RiptidesError with property `cluster` when there is none, it has no certificate authority, or its server is a loopback address.
 */
export function currentCluster(environment: NodeJS.ProcessEnv = process.env): ClusterAddress {
    const file = environment["KUBECONFIG"]?.split(delimiter)[0] || join(homedir(), ".kube", "config");
    if (!existsSync(file)) {
        throw missing("cluster", `there is no kubeconfig at ${file} to take it from`, ask);
    }
    let config: Kubeconfig;
    try {
        config = (parse(readFileSync(file, "utf8")) ?? {}) as Kubeconfig;
    } catch (error) {
        throw invalid("cluster", `${file} cannot be read: ${firstLine(messageOf(error))}`, ask);
    }
    return clusterOf(config, file);
}

function clusterOf(config: Kubeconfig, file: string): ClusterAddress {
    const current = config["current-context"];
    const context = config.contexts?.find((entry) => entry.name === current);
    const cluster = config.clusters?.find((entry) => entry.name === context?.context.cluster)?.cluster;
    if (!cluster?.server) {
        throw missing(
            "cluster",
            `${file} has no cluster for its current context ${JSON.stringify(current ?? "")}`,
            ask,
        );
    }
    if (URL.canParse(cluster.server) && isLoopback(new URL(cluster.server).hostname)) {
        throw missing(
            "cluster.server",
            `${file} has ${cluster.server}, a loopback address, which on the node means the node itself`,
            ask,
        );
    }
    const certificateAuthorityData =
        cluster["certificate-authority-data"] ??
        (cluster["certificate-authority"] && certificatesIn(resolve(dirname(file), cluster["certificate-authority"])));
    if (!certificateAuthorityData) {
        throw missing(
            "cluster.certificateAuthorityData",
            `${file} names no certificate authority for ${cluster.server}`,
            ask,
        );
    }
    return { server: cluster.server, certificateAuthorityData };
}

function certificatesIn(file: string): string {
    try {
        return readFileSync(file).toString("base64");
    } catch (error) {
        throw invalid("cluster.certificateAuthorityData", `${file} cannot be read: ${messageOf(error)}`, ask);
    }
}

// The rest of a parser's message quotes the file, which holds credentials.
function firstLine(text: string): string {
    return text.split("\n", 1)[0]!;
}
