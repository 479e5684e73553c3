// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { messageOf, RiptidesError, trustDomain } from "../api";

/** /etc/riptides/agent.json: what the installer knows and nobody has to keep secret. */
export interface AgentConfiguration {
    /** UUID of this node's agent; the name of its Daemon object. */
    agentId: string;
    trustDomain: string;
    /** Namespace of the custom resources. */
    namespace: string;
    cluster: {
        /** URL of the Kubernetes API server as seen from the node. */
        server: string;
        /** PEM. */
        certificateAuthority: string;
    };
}

/** Reads and checks the configuration. @throws RiptidesError `InvalidConfiguration` naming file and property. */
export function loadConfiguration(file: string): AgentConfiguration {
    let text: string;
    try {
        text = readFileSync(file, "utf8");
    } catch (error) {
        throw invalid(file, messageOf(error));
    }
    return parseConfiguration(text, file);
}

/** {@link loadConfiguration} for a text. */
export function parseConfiguration(text: string, file: string): AgentConfiguration {
    let raw: unknown;
    try {
        raw = JSON.parse(text);
    } catch (error) {
        throw invalid(file, `not JSON: ${messageOf(error)}`);
    }
    const fields = record(raw, file);
    const cluster = record(fields.cluster, `${file}: cluster`);
    const agentId = field(fields, "agentId", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, file);
    const ca = field(cluster, "certificateAuthorityData", /^[A-Za-z0-9+/=\s]+$/, `${file}: cluster`);
    const certificateAuthority = Buffer.from(ca, "base64").toString("utf8");
    if (!certificateAuthority.includes("-----BEGIN CERTIFICATE-----")) {
        throw invalid(`${file}: cluster.certificateAuthorityData`, "it is not a base64 PEM certificate");
    }
    return {
        agentId,
        trustDomain: trustDomain(field(fields, "trustDomain", /./, file), `${file}: trustDomain`),
        namespace: field(fields, "namespace", /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, file),
        cluster: {
            server: field(cluster, "server", /^https:\/\/[^\s/]+\/?$/, `${file}: cluster`).replace(/\/$/, ""),
            certificateAuthority,
        },
    };
}

function record(value: unknown, place: string): Record<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw invalid(place, "an object is needed");
    }
    return value as Record<string, unknown>;
}

function field(from: Record<string, unknown>, name: string, pattern: RegExp, place: string): string {
    const value = from[name];
    if (typeof value !== "string" || !pattern.test(value)) {
        throw invalid(
            `${place}: ${name}`,
            value === undefined ? "it is missing" : `${JSON.stringify(value)} is refused`,
        );
    }
    return value;
}

function invalid(property: string, reason: string): RiptidesError {
    return new RiptidesError("InvalidConfiguration", {
        property,
        reason,
        fix: "The installer writes this file: install the agent again, or correct it and restart riptides-agent.",
    });
}
