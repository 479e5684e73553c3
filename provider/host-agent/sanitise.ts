// SPDX-License-Identifier: Apache-2.0
import { stripVTControlCharacters } from "node:util";

// OpenAI keys, tokens of OpenBao and Vault, JWTs.
const secretForms =
    /\bsk-[A-Za-z0-9_*-]{8,}|\b(?:hv)?[sbr]\.[A-Za-z0-9_-]{20,}|\beyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,2}/g;
const pem = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
// Whatever a terminal would act on, but for the line feed.

const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

const lines = 15;
const columns = 400;

/** The end of what a program on a node wrote, fit for an error message: no control characters, nothing with the form of a secret. */
export function sanitise(text: string): string {
    return stripVTControlCharacters(text)
        .replaceAll("\r\n", "\n")
        .replace(control, " ")
        .replace(pem, "[secret]")
        .replace(secretForms, "[secret]")
        .split("\n")
        .map((line) => line.trimEnd())
        .filter((line) => line !== "")
        .slice(-lines)
        .map((line) => (line.length > columns ? `${line.slice(0, columns)}…` : line))
        .join("\n");
}
