// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { AuthBackend } from "@pulumi/vault/jwt/authBackend";
import { jwtIssuer } from "../api";
import { checked, invalid, missing, requireArguments } from "./check";
import { mountPath } from "./names";
import { warnOfLostOptions } from "./options";
import { WorkloadJwtRole, type WorkloadJwtRoleArgs } from "./workload-jwt-role";

/** An agent whose signature is trusted. A HostNodeAgent is one. */
export interface TrustedAgent {
    /** UUID of the agent. */
    agentId: pulumi.Input<string>;
    /** Its public key, SPKI PEM. */
    publicKey: pulumi.Input<string>;
}

/** Exactly one of `agents`, `oidcDiscoveryUrl` and `jwksUrl` says whose JWTs are trusted. */
export interface WorkloadJwtAuthArgs {
    /** The agents of the nodes, by their own keys. Removing one ends its logins at once. */
    agents?: TrustedAgent[];
    /** URL of an OIDC issuer, without `/.well-known/openid-configuration`. */
    oidcDiscoveryUrl?: pulumi.Input<string>;
    /** PEM certificates to trust for `oidcDiscoveryUrl`. */
    oidcDiscoveryCaPem?: pulumi.Input<string>;
    /** URL of a JSON Web Key Set. A key removed from it may be trusted from the server's cache for some time. */
    jwksUrl?: pulumi.Input<string>;
    /** PEM certificates to trust for `jwksUrl`. */
    jwksCaPem?: pulumi.Input<string>;
    /** Trust domain of the workloads, for example `example.org`. */
    trustDomain: pulumi.Input<string>;
    /** Issuer that every JWT must name. Default `spiffe://<trustDomain>`, or the URL of the OIDC issuer. */
    boundIssuer?: pulumi.Input<string>;
    /** Where the method is mounted below `auth/`. Default `jwt`. */
    path?: pulumi.Input<string>;
    description?: pulumi.Input<string>;
}

/** The JWT auth method of OpenBao or Vault, trusting the agents of the nodes or a central issuer. */
export class WorkloadJwtAuth extends pulumi.ComponentResource {
    /** Path below `auth/`, known in preview. */
    declare public readonly path: pulumi.Output<string>;
    public readonly trustDomain: pulumi.Output<string>;
    /** The trusted agents; empty for a central issuer. */
    public readonly agents: readonly TrustedAgent[];
    public readonly backend: AuthBackend;

    constructor(name: string, args: WorkloadJwtAuthArgs, opts?: pulumi.ComponentResourceOptions) {
        const { agents } = requireArguments("WorkloadJwtAuth", args, ["trustDomain"]);
        super("riptides:components:WorkloadJwtAuth", name, {}, opts);
        warnOfLostOptions(this, opts);
        requireOneSource(args);

        this.agents = [...(agents ?? [])];
        const issuer = checked<string, string>(args.trustDomain, jwtIssuer);
        this.trustDomain = issuer.apply((text) => text.slice("spiffe://".length));
        this.backend = new AuthBackend(
            `${name}-backend`,
            {
                path: checked<string, string>(args.path ?? "jwt", (text) => mountPath(text, "path")),
                type: "jwt",
                description: args.description ?? "Workload identities",
                // Without it a JWT of any issuer would do, as long as its key is trusted.
                boundIssuer: args.boundIssuer ?? args.oidcDiscoveryUrl ?? issuer,
                ...source(args),
            },
            { parent: this },
        );
        this.path = this.backend.path.apply((path) => path ?? "jwt");
        this.registerOutputs({ path: this.path });
    }

    /** Lets one workload log in with a two-use token. */
    role(
        name: string,
        args: Omit<WorkloadJwtRoleArgs, "auth">,
        opts?: pulumi.ComponentResourceOptions,
    ): WorkloadJwtRole {
        return new WorkloadJwtRole(name, { ...args, auth: this }, { parent: this, ...opts });
    }
}

const sources = ["agents", "oidcDiscoveryUrl", "jwksUrl"] as const;

function requireOneSource(args: WorkloadJwtAuthArgs): void {
    const given = sources.filter((key) => args[key] !== undefined);
    if (given.length !== 1) {
        const reason = given.length === 0 ? "nothing says whose JWTs are trusted" : `${given.join(" and ")} are given`;
        throw missing(given[0] ?? "agents", reason, `Give exactly one of ${sources.join(", ")}.`);
    }
    if (args.agents?.length === 0) {
        throw invalid("agents", "the list is empty, so nobody could log in", "Name at least one agent.");
    }
}

function source(args: WorkloadJwtAuthArgs) {
    if (args.agents) {
        return { jwtValidationPubkeys: args.agents.map((agent, index) => publicKey(agent, index)) };
    }
    if (args.oidcDiscoveryUrl !== undefined) {
        return { oidcDiscoveryUrl: args.oidcDiscoveryUrl, ...optional("oidcDiscoveryCaPem", args.oidcDiscoveryCaPem) };
    }
    return { jwksUrl: args.jwksUrl!, ...optional("jwksCaPem", args.jwksCaPem) };
}

/** The server keeps a PEM without its last line end; with it, every preview would show a change. */
function publicKey(agent: TrustedAgent, index: number): pulumi.Output<string> {
    return checked<string, string>(agent.publicKey, (pem) => {
        if (!pem.includes("-----BEGIN PUBLIC KEY-----")) {
            throw invalid(`agents[${index}].publicKey`, "this is not a public key in SPKI PEM");
        }
        return pem.trim();
    });
}

function optional<K extends string>(
    key: K,
    pem: pulumi.Input<string> | undefined,
): { [P in K]?: pulumi.Output<string> } {
    if (pem === undefined) {
        return {};
    }
    return { [key]: checked<string, string>(pem, (text) => text.trim()) } as { [P in K]?: pulumi.Output<string> };
}
