// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { Policy } from "@pulumi/vault/policy";
import { credentialPolicy, Duration, type DurationLike } from "../api";
import { checked, invalid, requireArguments } from "./check";
import { engineRoleName, mountPath, objectName } from "./names";
import { OpenAISecretsEngine } from "./openai-secrets-engine";
import { warnOfLostOptions } from "./options";
import { openai } from "./riptides";

export interface OpenAIKeyRoleArgs {
    /** The engine, or the path of one that is kept elsewhere. */
    engine: OpenAISecretsEngine | pulumi.Input<string>;
    /** OpenAI project of the keys, `proj_…`. */
    projectId: pulumi.Input<string>;
    /** Name of the role. Default: made from the component's name. */
    roleName?: pulumi.Input<string>;
    /** Name of the policy. Default `read-<component's name>`. */
    policyName?: pulumi.Input<string>;
    /** Life of a key: `"15m"` (the default) or seconds. */
    ttl?: pulumi.Input<string | number>;
    /** Longest life of a key, at least `ttl`: `"1h"` (the default) or seconds. */
    maxTtl?: pulumi.Input<string | number>;
    /** Go template of the service accounts' names. Default `vault-{{.RoleName}}-{{.RandomSuffix}}`. */
    serviceAccountNameTemplate?: pulumi.Input<string>;
    serviceAccountDescription?: pulumi.Input<string>;
    /** Most keys of the role that may live at once. Left out: no limit. */
    maxLive?: pulumi.Input<number>;
}

/** A role of the OpenAI secrets engine, and the policy that lets a token read one key of it and end itself. */
export class OpenAIKeyRole extends pulumi.ComponentResource {
    declare public readonly roleName: pulumi.Output<string>;
    declare public readonly policyName: pulumi.Output<string>;
    /** Path that gives a key, for example `openai/creds/my-role`. */
    declare public readonly credentialPath: pulumi.Output<string>;
    /** Longest life of a key, in whole seconds. */
    declare public readonly maxTtlSeconds: pulumi.Output<number>;
    public readonly role: openai.Role;
    public readonly policy: Policy;

    constructor(name: string, args: OpenAIKeyRoleArgs, opts?: pulumi.ComponentResourceOptions) {
        const { engine } = requireArguments("OpenAIKeyRole", args, ["engine", "projectId"]);
        super("riptides:components:OpenAIKeyRole", name, {}, opts);
        warnOfLostOptions(this, opts);

        const roleName = checked<string, string>(args.roleName ?? objectName(name), (text) =>
            engineRoleName(text, "roleName"),
        );
        const { ttl, maxTtl } = lives(args);
        const managed = engine instanceof OpenAISecretsEngine ? engine : undefined;
        const path = managed
            ? managed.path
            : checked<string, string>(engine as pulumi.Input<string>, (text) => mountPath(text, "engine"));
        this.role = new openai.Role(
            `${name}-role`,
            {
                mount: path,
                name: roleName,
                projectId: args.projectId,
                ttl,
                maxTtl,
                ...given(args, ["serviceAccountNameTemplate", "serviceAccountDescription", "maxLive"]),
            },
            { parent: this, ...(managed ? { dependsOn: [managed] } : {}) },
        );
        this.credentialPath = pulumi.interpolate`${path}/creds/${roleName}`;
        this.policy = new Policy(
            `${name}-policy`,
            {
                name: args.policyName ?? `read-${objectName(name)}`,
                policy: this.credentialPath.apply(credentialPolicy),
            },
            { parent: this },
        );
        this.roleName = this.role.name;
        this.policyName = this.policy.name;
        this.maxTtlSeconds = maxTtl.apply((text) => Duration.parse(text).wholeSeconds);
        this.registerOutputs({
            roleName: this.roleName,
            policyName: this.policyName,
            credentialPath: this.credentialPath,
        });
    }
}

function lives(args: OpenAIKeyRoleArgs) {
    const both = checked<{ ttl: DurationLike; maxTtl: DurationLike }, { ttl: string; maxTtl: string }>(
        { ttl: args.ttl ?? "15m", maxTtl: args.maxTtl ?? "1h" },
        (value) => {
            const ttl = Duration.parse(value.ttl, "ttl");
            const maxTtl = Duration.parse(value.maxTtl, "maxTtl");
            if (ttl.wholeSeconds < 1) {
                throw invalid("ttl", `a key cannot live ${ttl}`, "Give a ttl of 1s or more.");
            }
            if (ttl.compare(maxTtl) > 0) {
                throw invalid("ttl", `${ttl} is longer than maxTtl, ${maxTtl}`, "Lower ttl or raise maxTtl.");
            }
            return { ttl: ttl.toString(), maxTtl: maxTtl.toString() };
        },
    );
    return { ttl: both.ttl, maxTtl: both.maxTtl };
}

function given<T extends object, K extends keyof T>(args: T, names: K[]): Pick<T, K> {
    return Object.fromEntries(names.filter((key) => args[key] !== undefined).map((key) => [key, args[key]])) as Pick<
        T,
        K
    >;
}
