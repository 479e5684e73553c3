// SPDX-License-Identifier: Apache-2.0
import { RiptidesError, type FailureCode } from "../../api";

const certificateErrors = /certificate|CERT|SELF_SIGNED|altnames/;

/** A request that got no answer. */
export function connectionError(address: string, error: Error & { code?: string }): RiptidesError {
    const certificate = certificateErrors.test(error.code ?? "") || certificateErrors.test(error.message);
    // ECONNREFUSED on every address of a name is an AggregateError without a message.
    const said = error.message || error.code || "no connection";
    return new RiptidesError("VaultUnreachable", {
        property: "address",
        reason: `no answer from ${address}: ${said}`,
        fix: certificate
            ? "Give the certificate authority of the server as provider configuration caCert, or in the file that VAULT_CACERT names."
            : "Check provider configuration address (or VAULT_ADDR) and that the server listens there.",
        cause: error,
    });
}

interface Rule {
    match: RegExp;
    code: FailureCode;
    property?: string;
    fix?: string;
}

// The first that matches decides. Texts are those of OpenBao 2.7, of our engine and of the upstream engine.
const rules: readonly Rule[] = [
    {
        match: /rotation job.*code = Unimplemented/,
        code: "VaultRequestRefused",
        fix: "This engine binary works on Vault only. Register the engine of this package, which works on both.",
    },
    { match: /admin_api_key was refused|API error \(401\)/, code: "OpenAIUnauthorized", property: "adminApiKey" },
    {
        match: /error validating project: project_id:|project validation failed: API error \(404\)|is not active \(status/,
        code: "OpenAIProjectNotFound",
        property: "projectId",
    },
    { match: /API error \(429\)/, code: "OpenAIThrottled" },
    {
        match: /API error \(5\d\d\)|error validating project: /,
        code: "OpenAIUnavailable",
        fix: "Run again when the OpenAI API answers.",
    },
    { match: /is not configured|not configured/, code: "EngineNotConfigured" },
    { match: /checksums did not match/, code: "PluginChecksum", property: "sha256" },
    { match: /missing SHA-256|decode SHA-256/, code: "PluginChecksum", property: "sha256" },
    {
        match: /validating the command path|no such file or directory|plugin not found in the catalog/,
        code: "PluginMissing",
        property: "command",
    },
    {
        match: /plugin version mismatch|valid semantic version/,
        code: "InvalidProperty",
        property: "version",
        fix: "Give the version that the plugin binary says of itself.",
    },
    {
        match: /^unsupported path|no handler for route|route entry not found/,
        code: "VaultPathMissing",
        fix: "Mount the secrets engine at this path first.",
    },
    {
        match: /namespace not found/,
        code: "VaultPathMissing",
        fix: "Create the namespace, or correct provider configuration namespace.",
    },
];

/** An answer that is no success. */
export function responseError(
    request: string,
    address: string,
    status: number,
    errors: string[],
    body: string,
): RiptidesError {
    const said = errors.map(oneLine).join("; ") || oneLine(body).slice(0, 200) || "an empty answer";
    const reason = `${request} at ${address} was answered ${status}: ${said}`;
    if (status === 503 || status === 501) {
        const fix =
            status === 501 ? "Initialise and unseal OpenBao, then run again." : "Unseal OpenBao, then run again.";
        return new RiptidesError("VaultSealed", { reason, fix });
    }
    if (status === 429) {
        return new RiptidesError("VaultThrottled", { reason, fix: "Raise the rate quota or wait, then run again." });
    }
    if (status === 403) {
        // A policy that lacks the path is told in a list of errors; a token that is no good in two words.
        return errors.some((error) => error.includes("1 error occurred"))
            ? new RiptidesError("VaultPolicyDenied", {
                  reason,
                  fix: "Give the provider's token a policy for this path; docs/provider.md lists what it needs.",
              })
            : new RiptidesError("VaultPolicyDenied", {
                  property: "token",
                  reason,
                  fix: "The token is wrong, expired or revoked, or has no policy for this path: give another as provider configuration token or VAULT_TOKEN.",
              });
    }
    const rule = rules.find(({ match }) => match.test(said));
    if (rule) {
        return new RiptidesError(rule.code, { property: rule.property, reason, fix: rule.fix });
    }
    return new RiptidesError("VaultRequestRefused", { reason });
}

// Go's multierror spreads one sentence over lines with bullets.
function oneLine(text: string): string {
    return text
        .replace(/^\d+ errors? occurred:/, "")
        .replace(/\s*\n\s*\*?\s*/g, " ")
        .trim();
}
