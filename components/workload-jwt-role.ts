// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { AuthBackendRole } from "@pulumi/vault/jwt/authBackendRole";
import { Duration, spiffeId, type DurationLike } from "../api";
import { checked, invalid, requireArguments } from "./check";
import { objectName } from "./names";
import { warnOfLostOptions } from "./options";
import type { WorkloadJwtAuth } from "./workload-jwt-auth";

/** A token outlives the longest key by this much, so that the key's own lease ends first and the last use is left for its revocation. */
const tokenMargin = Duration.seconds(60);

export interface WorkloadJwtRoleArgs {
    auth: WorkloadJwtAuth;
    /** Path of the workload's SPIFFE ID, for example `ai-agent`. */
    workloadId: pulumi.Input<string>;
    /** Policies of the token, and no others: the policy `default` is left out. */
    policies: pulumi.Input<pulumi.Input<string>[]>;
    /** Longest life of the credential that the token reads: `"1h"` or seconds. */
    maxTtl: pulumi.Input<string | number>;
    /** Name of the role. Default: made from the component's name. */
    roleName?: pulumi.Input<string>;
    /** UUIDs of the agents that may ask for this workload. Default: every agent that `auth` trusts. */
    agentIds?: pulumi.Input<string>[];
}

/** A role of the JWT auth method: one workload, one kind of two-use token (one read, one revocation). */
export class WorkloadJwtRole extends pulumi.ComponentResource {
    declare public readonly roleName: pulumi.Output<string>;
    /** The only subject that may log in. */
    declare public readonly spiffeId: pulumi.Output<string>;
    public readonly role: AuthBackendRole;

    constructor(name: string, args: WorkloadJwtRoleArgs, opts?: pulumi.ComponentResourceOptions) {
        const { auth } = requireArguments("WorkloadJwtRole", args, ["auth", "workloadId", "policies", "maxTtl"]);
        super("riptides:components:WorkloadJwtRole", name, {}, opts);
        warnOfLostOptions(this, opts);

        const life = checked<DurationLike, number>(args.maxTtl, tokenSeconds);
        const agentIds = args.agentIds ?? auth.agents.map((agent) => agent.agentId);
        this.spiffeId = pulumi.all([auth.trustDomain, args.workloadId]).apply(([domain, id]) => spiffeId(domain, id));
        this.role = new AuthBackendRole(
            `${name}-role`,
            {
                backend: auth.path,
                roleName: args.roleName ?? objectName(name),
                roleType: "jwt",
                userClaim: "sub",
                boundAudiences: ["vault"],
                boundSubject: this.spiffeId,
                // Several ids in one text mean any of them.
                ...(agentIds.length === 0
                    ? {}
                    : { boundClaims: { "riptides:agent": pulumi.all(agentIds).apply((ids) => ids.join(",")) } }),
                tokenType: "service",
                tokenNumUses: 2,
                tokenTtl: life,
                tokenMaxTtl: life,
                tokenExplicitMaxTtl: life,
                tokenNoDefaultPolicy: true,
                tokenPolicies: args.policies,
            },
            { parent: this },
        );
        this.roleName = this.role.roleName;
        this.registerOutputs({ roleName: this.roleName, spiffeId: this.spiffeId });
    }
}

function tokenSeconds(maxTtl: DurationLike): number {
    const life = Duration.parse(maxTtl, "maxTtl");
    if (life.wholeSeconds < 1) {
        throw invalid("maxTtl", `a credential cannot live ${life}`, "Give a maxTtl of 1s or more.");
    }
    return life.plus(tokenMargin).wholeSeconds;
}
