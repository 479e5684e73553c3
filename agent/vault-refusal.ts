// SPDX-License-Identifier: Apache-2.0
import type { FailureCode } from "../api";
import { redact } from "./redact";
import { FailureScope, VaultFailure } from "./vault";

/** A request to OpenBao that was answered with something other than success. */
export interface Refusal {
    step: "login" | "read" | "revoke";
    status: number;
    /** Text of the answer's `errors`, or the start of its body. */
    errors: string[];
    retryAfterMs: number;
    /** What was asked, for the message. */
    address: string;
    path: string;
    role?: string;
    /** SPIFFE ID of the JWT's subject. */
    subject?: string;
}

interface Rule {
    step?: Refusal["step"];
    status?: number | ((status: number) => boolean);
    text?: RegExp;
    code: FailureCode;
    scope?: FailureScope;
    property?: string;
    fix?: string;
}

const source = "spec.vault";

// The first rule that fits wins. Statuses and texts as OpenBao 2.7 gives them (docs/errors.md).
const rules: Rule[] = [
    { status: 503, text: /sealed|not initialized/i, code: "VaultSealed", scope: "server" },
    { status: 501, code: "VaultSealed", scope: "server" },
    { status: 429, code: "VaultThrottled", scope: "server" },
    { status: 500, text: /API error \(40[13]\)/, code: "OpenAIUnauthorized", scope: "engine" },
    { status: 500, text: /API error \(404\)/, code: "OpenAIProjectNotFound" },
    { status: 500, text: /API error \(429\)/, code: "OpenAIThrottled", scope: "engine" },
    { step: "read", text: /not configured|no API key configured/i, code: "EngineNotConfigured", scope: "engine" },
    { status: 500, text: /checksums did not match/, code: "PluginChecksum", scope: "engine" },
    { status: 404, text: /backend is nil/, code: "PluginMissing", scope: "engine" },
    {
        step: "read",
        status: 500,
        text: /openai|API error|service account/i,
        code: "OpenAIUnavailable",
        scope: "engine",
    },
    { status: (status) => status >= 500, code: "VaultUnreachable", scope: "server" },

    {
        step: "login",
        status: 403,
        code: "VaultLoginDenied",
        property: `${source}.jwtAuthMethodPath`,
        fix: "Mount a JWT auth method at this path, or correct spec.vault.jwtAuthMethodPath of the CredentialSource.",
    },
    {
        step: "login",
        text: /role "[^"]*" could not be found|missing role/,
        code: "VaultLoginDenied",
        property: `${source}.role`,
        fix: "Create the role in the JWT auth method, or correct spec.vault.role of the CredentialSource.",
    },
    { step: "login", text: /audience/, code: "VaultLoginDenied", property: `${source}.audience` },
    { step: "login", status: 400, code: "VaultLoginDenied", property: `${source}.role` },
    {
        step: "login",
        status: 404,
        code: "VaultLoginDenied",
        property: `${source}.jwtAuthMethodPath`,
        fix: "Mount a JWT auth method at this path, or correct spec.vault.jwtAuthMethodPath of the CredentialSource.",
    },

    { step: "read", status: 400, text: /one use left/, code: "VaultTokenUses", property: `${source}.role` },
    {
        step: "read",
        status: 400,
        text: /role "[^"]*" does not exist/,
        code: "VaultRoleMissing",
        property: `${source}.path`,
    },
    { step: "read", status: 400, text: /cannot be used: project_id/, code: "OpenAIProjectNotFound" },
    { step: "read", status: 400, text: /its max_live is/, code: "EngineKeyLimit", scope: "engine" },
    { step: "read", status: 404, code: "VaultPathMissing", property: `${source}.path` },
    { step: "read", status: 405, code: "VaultPathMissing", property: `${source}.path` },
    // The other 403, a bare "permission denied", speaks of the token: it was used up or revoked since the login.
    { step: "read", status: 403, text: /1 error occurred/, code: "VaultPolicyDenied", property: `${source}.path` },
    { step: "read", status: 403, code: "VaultTokenUses", property: `${source}.role` },
    { step: "revoke", status: 403, text: /1 error occurred/, code: "VaultPolicyDenied", property: `${source}.role` },
];

const fallback: Rule = { code: "VaultRequestRefused", property: source };

/** Says in one word of the catalogue what a refusal means, and in a sentence what was asked and what came back. */
export function vaultRefusal(refusal: Refusal): VaultFailure {
    const text = refusal.errors.join("; ");
    const rule = rules.find((candidate) => fits(candidate, refusal, text)) ?? fallback;
    return new VaultFailure(
        rule.code,
        { property: rule.property, reason: sentence(refusal, text), ...(rule.fix ? { fix: rule.fix } : {}) },
        rule.scope,
        refusal.retryAfterMs,
    );
}

function fits(rule: Rule, refusal: Refusal, text: string): boolean {
    return (
        (rule.step === undefined || rule.step === refusal.step) &&
        (rule.status === undefined ||
            (typeof rule.status === "function" ? rule.status(refusal.status) : rule.status === refusal.status)) &&
        (rule.text === undefined || rule.text.test(text))
    );
}

function sentence({ step, status, address, path, role, subject }: Refusal, text: string): string {
    const asked = {
        login: `login of ${subject ?? "the workload"} with role ${JSON.stringify(role ?? "")} at ${address}/v1/${path}`,
        read: `read of ${path} at ${address}`,
        revoke: `revocation at ${address}`,
    }[step];
    const said = redact(text).replace(/\s+/g, " ").trim().slice(0, 300);
    return `${asked} was answered ${status}${said ? `: ${said}` : ""}`;
}
