// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "./failure";

// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, sections 2.1 to 2.3
const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;
const segmentPattern = /^[A-Za-z0-9._-]+$/;
const maximumLength = 2048;

/** Checks a trust domain name (`example.org`) and gives it back. */
export function trustDomain(text: string, property = "trustDomain"): string {
    if (!trustDomainPattern.test(text)) {
        throw new RiptidesError("InvalidSpiffeId", {
            property,
            reason: `${JSON.stringify(text)} is not a trust domain`,
        });
    }
    return text;
}

/** Checks a workload ID, the path of a SPIFFE ID without its leading slash (`demo/client/curl`), and gives it back. */
export function workloadId(text: string, property = "workloadID"): string {
    const bad = text.split("/").find((segment) => !segmentPattern.test(segment) || segment === "." || segment === "..");
    if (bad !== undefined) {
        throw new RiptidesError("InvalidSpiffeId", {
            property,
            reason: `${JSON.stringify(text)} is not a workload ID (segment ${JSON.stringify(bad)})`,
        });
    }
    return text;
}

/** `spiffe://<trust domain>/<workload ID>`. @throws RiptidesError `InvalidSpiffeId` */
export function spiffeId(domain: string, workload: string): string {
    const id = `spiffe://${trustDomain(domain)}/${workloadId(workload)}`;
    if (id.length > maximumLength) {
        throw new RiptidesError("InvalidSpiffeId", {
            property: "workloadID",
            reason: `the SPIFFE ID has ${id.length} octets, more than ${maximumLength}`,
        });
    }
    return id;
}

/** The issuer that every agent of a trust domain puts into its JWTs. */
export function jwtIssuer(domain: string): string {
    return `spiffe://${trustDomain(domain)}`;
}

/** Workload ID of a node agent, as in `scope.agent.id` and Daemon.spec.workloadID. */
export function daemonWorkloadId(agentId: string): string {
    return workloadId(`riptides/daemon/${agentId}`);
}
