// SPDX-License-Identifier: Apache-2.0

// OpenAI keys; OpenBao and Vault tokens (s., b., r., hvs., hvb., hvr.); JWTs.
const secretForms =
    /\bsk-[A-Za-z0-9_*-]{8,}|\b(?:hv)?[sbr]\.[A-Za-z0-9_-]{20,}|\beyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,2}/g;

/** Replaces whatever has the form of a secret: the last line of defence for texts that other programs wrote. */
export function redact(text: string): string {
    return text.replace(secretForms, "[secret]");
}
