// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { Mount } from "@pulumi/vault/mount";
import { checked, invalid, missing, requireArguments } from "./check";
import { mountPath } from "./names";
import { warnOfLostOptions } from "./options";
import { openai } from "./riptides";

/** The engine's plugin. With `command` it is registered; without, the server must know it already. */
export interface OpenAISecretsPlugin {
    /** Name in the plugin catalog, and type of the mount. Default `openai`. */
    name?: pulumi.Input<string>;
    /** Semantic version, for example `v0.1.0`. Needed with `command`. */
    version?: pulumi.Input<string>;
    /** File name of the binary in the server's `plugin_directory`. */
    command?: pulumi.Input<string>;
    /** SHA-256 of that file. Needed with `command`. */
    sha256?: pulumi.Input<string>;
}

export interface OpenAISecretsEngineArgs {
    /** OpenAI organization, `org-…`. */
    organizationId: pulumi.Input<string>;
    /** Admin key, `sk-admin-…`. Goes to the engine only: neither read back nor kept in the state. */
    adminApiKey: pulumi.Input<string>;
    /** Id of the admin key, `key_…`. */
    adminApiKeyId: pulumi.Input<string>;
    /** URL of the OpenAI API. Default `https://api.openai.com/v1`. */
    apiEndpoint?: pulumi.Input<string>;
    /** How often the engine makes itself a new admin key, for example `720h`. Left out: never. */
    rotationPeriod?: pulumi.Input<string | number>;
    /** Where the engine is mounted. Default `openai`. */
    path?: pulumi.Input<string>;
    plugin?: OpenAISecretsPlugin;
    /** Shown by `bao secrets list`. */
    description?: pulumi.Input<string>;
}

/**
 * The OpenAI secrets engine of OpenBao or Vault: plugin, mount and configuration.
 *
 * Destroying it revokes every key it gave out before the engine is unmounted.
 */
export class OpenAISecretsEngine extends pulumi.ComponentResource {
    /** Path of the mount, known in preview. */
    declare public readonly path: pulumi.Output<string>;
    public readonly plugin?: openai.Plugin;
    public readonly mount: Mount;
    public readonly config: openai.Config;

    constructor(name: string, args: OpenAISecretsEngineArgs, opts?: pulumi.ComponentResourceOptions) {
        requireArguments("OpenAISecretsEngine", args, ["organizationId", "adminApiKey", "adminApiKeyId"]);
        super("riptides:components:OpenAISecretsEngine", name, {}, opts);
        warnOfLostOptions(this, opts);

        const path = checked<string, string>(args.path ?? "openai", (text) => mountPath(text, "path"));
        const pluginName = args.plugin?.name ?? "openai";
        const version = canonicalVersion(args.plugin);
        this.plugin = registered(name, args.plugin, version, this);
        this.mount = new Mount(
            `${name}-mount`,
            {
                path,
                type: pluginName,
                description: args.description ?? "Short-lived OpenAI keys",
                ...(version === undefined ? {} : { pluginVersion: version }),
            },
            { parent: this, ...(this.plugin ? { dependsOn: [this.plugin] } : {}) },
        );
        // Deleted before the mount, when its delete has revoked every key: an unmount that cannot revoke would leave the
        // mount tainted and the keys alive (docs/architecture.md, decisions).
        this.config = new openai.Config(
            `${name}-config`,
            {
                mount: this.mount.path,
                organizationId: args.organizationId,
                adminApiKey: args.adminApiKey,
                adminApiKeyId: args.adminApiKeyId,
                ...(args.apiEndpoint === undefined ? {} : { apiEndpoint: args.apiEndpoint }),
                ...(args.rotationPeriod === undefined ? {} : { rotationPeriod: args.rotationPeriod }),
            },
            { parent: this },
        );
        this.path = this.mount.path;
        this.registerOutputs({ path: this.path });
    }
}

/** OpenBao keeps `1.2.3` as `v1.2.3`; another spelling would show as a change for ever. */
function canonicalVersion(plugin: OpenAISecretsPlugin | undefined): pulumi.Output<string> | undefined {
    if (plugin?.version === undefined) {
        return undefined;
    }
    return checked<string, string>(plugin.version, (text) => {
        if (!/^v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/.test(text)) {
            throw invalid(
                "plugin.version",
                `${JSON.stringify(text)} is not a semantic version`,
                "Write it like v0.1.0.",
            );
        }
        return text.startsWith("v") ? text : `v${text}`;
    });
}

function registered(
    name: string,
    plugin: OpenAISecretsPlugin | undefined,
    version: pulumi.Output<string> | undefined,
    parent: pulumi.Resource,
): openai.Plugin | undefined {
    if (plugin?.command === undefined) {
        if (plugin?.sha256 !== undefined) {
            throw missing("plugin.command", "plugin.sha256 is given, but no command to register");
        }
        return undefined;
    }
    if (version === undefined || plugin.sha256 === undefined) {
        const property = version === undefined ? "plugin.version" : "plugin.sha256";
        throw missing(property, "a plugin with a command needs its version and the SHA-256 of its file");
    }
    return new openai.Plugin(
        `${name}-plugin`,
        { name: plugin.name ?? "openai", version, command: plugin.command, sha256: plugin.sha256 },
        { parent },
    );
}
