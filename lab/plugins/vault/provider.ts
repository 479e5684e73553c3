// SPDX-License-Identifier: Apache-2.0
import { computed, type CheckResult, type PropertyMap, type Provider, type Resource } from "../../../provider/protocol";
import { jwtAuthBackend } from "./jwt-auth-backend";
import { jwtAuthBackendRole } from "./jwt-auth-backend-role";
import { mount } from "./mount";
import { policy } from "./policy";
import { type Kind, VaultResource } from "./resource";
import { Server, tokenOfLogin } from "./server";

const kinds: Record<string, Kind> = {
    "vault:index/mount:Mount": mount,
    "vault:index/policy:Policy": policy,
    "vault:jwt/authBackend:AuthBackend": jwtAuthBackend,
    "vault:jwt/authBackendRole:AuthBackendRole": jwtAuthBackendRole,
};

// What this plugin heeds; the rest has no meaning without what it leaves out (child tokens, other logins).
const heeded = ["address", "token", "namespace", "caCertFile", "tlsServerName", "skipTlsVerify", "maxRetries"];
const harmless = [
    "version",
    "skipChildToken",
    "skipGetVaultVersion",
    "maxLeaseTtlSeconds",
    "maxRetriesCcc",
    "tokenName",
];

/**
 * The stand-in for the official Vault plugin: the four types our components use, answered as
 * @pulumi/vault 7.8.0 expects. It uses the token as given: it makes no child token.
 */
export function vaultProvider(environment: NodeJS.ProcessEnv): Provider {
    let config: PropertyMap = {};
    let server: Server | undefined;
    const connect = (): Server => (server ??= new Server(serverOptions(config, environment)));
    return {
        name: "vault",
        // The SDK asks for its own version or newer.
        version: "7.8.0+standin",
        schema: () => JSON.stringify({ name: "vault", version: "7.8.0+standin", resources: {} }),
        checkConfig({ news }): CheckResult {
            const failures = Object.keys(news)
                .filter((name) => !heeded.includes(name) && !harmless.includes(name))
                .map((property) => ({
                    property,
                    reason: "the lab's stand-in for the Vault plugin does not know this setting; use the official plugin",
                }));
            return { inputs: news, failures };
        },
        configure(args) {
            config = args;
            server = undefined;
        },
        resource(type): Resource {
            const kind = kinds[type];
            if (!kind) {
                throw new Error(
                    `${type} is not one of the types of the lab's stand-in for the Vault plugin ` +
                        `(${Object.keys(kinds).join(", ")}); install the official plugin`,
                );
            }
            return new VaultResource(kind, connect);
        },
    };
}

function serverOptions(config: PropertyMap, environment: NodeJS.ProcessEnv): ConstructorParameters<typeof Server>[0] {
    const setting = (name: string, ...variables: string[]): string | undefined => {
        const value = config[name];
        if (value === computed) {
            throw new Error(
                `the Vault provider's ${name} is not known yet: it comes from a resource that is not made yet`,
            );
        }
        if (value !== undefined && value !== null) {
            return String(value);
        }
        return variables.map((variable) => environment[variable]).find(Boolean);
    };
    const address = setting("address", "VAULT_ADDR");
    if (!address) {
        throw new Error("no Vault address: set vault:address, the provider's address or VAULT_ADDR");
    }
    const token = setting("token", "VAULT_TOKEN") ?? tokenOfLogin();
    if (!token) {
        throw new Error("no Vault token: set vault:token, the provider's token or VAULT_TOKEN");
    }
    return {
        address,
        token,
        namespace: setting("namespace", "VAULT_NAMESPACE"),
        caCertFile: setting("caCertFile", "VAULT_CACERT"),
        tlsServerName: setting("tlsServerName", "VAULT_TLS_SERVER_NAME"),
        skipTlsVerify: ["true", "1"].includes(setting("skipTlsVerify", "VAULT_SKIP_VERIFY") ?? ""),
        maxRetries: Number(setting("maxRetries", "VAULT_MAX_RETRIES") ?? 2),
    };
}
