// SPDX-License-Identifier: Apache-2.0

/**
 * The error catalogue: every failure a person can meet, with what to do about it. The key is the one-word `reason`
 * of CredentialBinding.status and the code of {@link RiptidesError}; docs/errors.md is generated from this table.
 */
export const catalogue = {
    // Bad input, found before anything is touched.
    InvalidDuration: { fix: 'Write a number of seconds or a text such as "15m", "1h30m" or "900s".' },
    InvalidSpiffeId: {
        fix: "Use spiffe://<trust domain>/<path> with a lower-case trust domain and no empty, . or .. path segment.",
    },
    InvalidSelector: {
        fix: "Use the keys listed in docs/selectors.md; a value is a text, a number or a list of them.",
    },
    InvalidProperty: { fix: "Correct the property as its documentation says." },
    MissingProperty: { fix: "Set the property." },
    InvalidConfiguration: {
        fix: "Correct the provider configuration or the environment variable named in the message.",
    },

    // OpenBao or Vault.
    VaultUnreachable: {
        fix: "Check the address, the network path from the node and the certificate authority; the agent retries by itself.",
    },
    VaultSealed: { fix: "Unseal OpenBao; the agent retries by itself." },
    VaultThrottled: { fix: "Raise the rate quota or wait; the agent retries by itself." },
    VaultLoginDenied: {
        fix: "Compare the JWT role's bound_subject, bound_audiences, bound_claims and the mount's public keys with the identity named in the message.",
    },
    VaultPolicyDenied: {
        fix: 'Give the JWT role a policy with read on the credential path and update on "auth/token/revoke-self".',
    },
    VaultTokenUses: { fix: "Set token_num_uses of the JWT role to 2 (or 0): one read and one revocation." },
    VaultPathMissing: { fix: "Mount the secrets engine at the path of the CredentialSource and write its role." },
    VaultRoleMissing: { fix: "Create the role in the secrets engine, or correct the path of the CredentialSource." },
    VaultRequestRefused: { fix: "See the server's own message; correct the request it names." },
    EngineNotConfigured: {
        fix: "Write the engine's configuration (OpenAISecretsEngine does) before its roles are used.",
    },

    EngineKeyLimit: {
        fix: "Raise maxLive of the engine's role, or unbind a workload that needs no key any more.",
    },

    // OpenAI, seen through the secrets engine.
    OpenAIUnauthorized: { fix: "Check adminApiKey: it must be a live admin key (sk-admin-…) of the organization." },
    OpenAIProjectNotFound: { fix: "Check projectId and that the admin key belongs to the project's organization." },
    OpenAIThrottled: { fix: "OpenAI limits the Admin API; wait, or lengthen the keys' ttl." },
    OpenAIUnavailable: { fix: "OpenAI answered with an error; the agent retries by itself." },

    // The secrets engine plugin.
    PluginDeclarative: {
        fix: "The plugin is declared in the server's configuration file: upgrade it there and leave riptides:openai:Plugin out.",
    },
    PluginMissing: { fix: "Put the plugin binary into the server's plugin_directory, then run again." },
    PluginChecksum: { fix: "Give the SHA-256 of the very file in the server's plugin_directory." },

    // Custom resources.
    CredentialSourceMissing: {
        fix: "Create the CredentialSource in the binding's namespace, or correct spec.credentialSource.",
    },
    CredentialSourceUnsupported: {
        fix: "Use a CredentialSource with spec.vault; other providers are not implemented.",
    },
    WorkloadIdentityMissing: { fix: "Create a WorkloadIdentity with the binding's workloadID in the same namespace." },
    PropagationUnsupported: {
        fix: "Use propagation.sysfs, propagation.injection or both; see docs/compatibility.md for what this version delivers.",
    },
    ServiceMissing: {
        fix: "Create a Service with these labels in the binding's namespace, or correct spec.propagation.injection.selectors.",
    },
    ServiceUnsuitable: {
        fix: "Give the Service a host name that a server certificate can prove, and what the binding asks of it (docs/injection.md).",
    },
    InjectionClash: {
        fix: "Take the host out of one of the two bindings, tell their processes apart by selectors, or delete the one named; this one then takes effect by itself.",
    },
    SecretFieldUnusable: {
        fix: "Name the field of the source's data that holds the credential (spec.propagation.injection, docs/injection.md).",
    },
    SelectorUnresolved: {
        fix: "Start or install the program the selector names on the node, or correct the selector.",
    },
    WrongScope: { fix: "Point scope.agent.id of the WorkloadIdentity at the workload ID of a Daemon that runs." },

    // The node.
    KernelModule: { fix: "See dmesg on the node; the module and the agent must come from the same bundle." },
    KernelUnsupported: {
        fix: "Add a prebuilt module for this kernel to moduleDir, or install its headers, gcc and make on the node.",
    },
    KernelLockdown: {
        fix: "Sign the module with a key the machine has enrolled, or turn Secure Boot lockdown off; see docs/kernel.md.",
    },
    KernelTls: {
        fix: "Load the kernel's TLS on the node (`modprobe tls`); a kernel without CONFIG_TLS cannot inject.",
    },
    TlsHelper: {
        fix: "See `systemctl status riptides-tls` and `journalctl -u riptides-tls` on the node.",
    },
    NodeUnreachable: { fix: "Check host, port and that sshd accepts the key for the user." },
    HostKeyMismatch: { fix: "Compare connection.hostKey with the output of `ssh-keyscan` run from a place you trust." },
    NodeAuthentication: {
        fix: "Put the public half of connection.privateKey into the user's authorized_keys on the node.",
    },
    NodeUnsuitable: { fix: "Mend what the message names on the node, then run again." },
    NodeCommand: { fix: "See the command's own message; mend it on the node, then run again." },
    AgentNotReady: { fix: "See `journalctl -u riptides-agent` on the node." },

    // Status and clusters.
    ClusterUnreachable: { fix: "Check the API server address, its certificate authority and the token." },
    ClusterDenied: { fix: "Give the identity in use the verbs that the message names." },
    BindingFailed: { fix: "Mend the cause named by the agent; `pulumi up` continues from here." },
    BindingTimeout: { fix: "See the status of the objects listed; `pulumi up` continues from here." },
    Expired: { fix: "The agent could not renew the credential in time; see the binding's message." },
    Internal: { fix: "Please report this with the message." },
} as const satisfies Record<string, { fix: string }>;

/** What the `reason` of a binding that is OK may say. */
export const warnings = {
    Spoofable: {
        fix: "Any process can take on a name: add process:binary:path, process:uid or systemd:unit to the selector.",
    },
    OwnTls: {
        fix: "Give the client a plain http URL with the TLS port, such as `http://api.openai.com:443/v1`: what it encrypts by itself is left alone.",
    },
    TlsHandshake: {
        fix: "Check that the server speaks TLS 1.3, its certificate, and the Service's caBundle.",
    },
} as const satisfies Record<string, { fix: string }>;

/** One word of {@link warnings}. */
export type WarningCode = keyof typeof warnings;

/** One word of the error catalogue. */
export type FailureCode = keyof typeof catalogue;

/** Says whether a word is of the catalogue. */
export function isFailureCode(word: string): word is FailureCode {
    return Object.prototype.hasOwnProperty.call(catalogue, word);
}

/** Parts of a failure that differ from case to case. */
export interface FailureDetail {
    /** The input at fault, as the user wrote it (`connection.hostKey`, `spec.credentialSource`). */
    property?: string;
    /** What was asked and what came back. Never holds a secret. */
    reason: string;
    /** Overrides the catalogue's fix where a more exact one is known. */
    fix?: string;
    cause?: unknown;
}

/** A failure with everything a person needs: the property, the reason and the fix. */
export class RiptidesError extends Error {
    readonly property?: string;
    readonly reason: string;
    readonly fix: string;

    constructor(
        readonly code: FailureCode,
        detail: FailureDetail,
    ) {
        const fix = detail.fix ?? catalogue[code].fix;
        const place = detail.property ? `${detail.property}: ` : "";
        super(
            `${place}${detail.reason}. ${fix} [${code}]`,
            detail.cause === undefined ? undefined : { cause: detail.cause },
        );
        this.name = "RiptidesError";
        this.property = detail.property;
        this.reason = detail.reason;
        this.fix = fix;
    }
}

/** The text of anything thrown, without a stack. */
export function messageOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
