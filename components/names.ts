// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { invalid } from "./check";

const maximumLabel = 63;
const longestStem = 40;

/**
 * A name for Kubernetes and OpenBao objects from the name of a Pulumi resource: lower-case letters, digits and single
 * dashes. A long name is cut and gets eight hexadecimal digits of its hash, so two long names stay apart.
 */
export function objectName(name: string): string {
    const plain = name
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-+|-+$/g, "");
    if (plain === "") {
        throw invalid("name", `${JSON.stringify(name)} holds no letter or digit to name objects by`);
    }
    if (plain.length <= longestStem) {
        return plain;
    }
    const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
    return `${plain.slice(0, longestStem - 9).replace(/-+$/, "")}-${hash}`;
}

/** Checks the name of a Kubernetes object (RFC 1123 subdomain of at most 63 octets) and gives it back. */
export function kubernetesName(name: string, property: string): string {
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) || name.length > maximumLabel) {
        throw invalid(
            property,
            `${JSON.stringify(name)} is not a name of a Kubernetes object`,
            `Use lower-case letters, digits, - and ., at most ${maximumLabel} octets.`,
        );
    }
    return name;
}

const reservedRoles = ["admin", "administrator", "root", "system", "openai"];

/** Checks the name of a role of the OpenAI secrets engine and gives it back. */
export function engineRoleName(name: string, property: string): string {
    if (!/^[a-z0-9]+([-_][a-z0-9]+)*$/.test(name) || name.length < 3 || name.length > 64) {
        throw invalid(
            property,
            `${JSON.stringify(name)} is not a name of an engine role`,
            "Use 3 to 64 lower-case letters and digits, with single - or _ between them.",
        );
    }
    if (reservedRoles.includes(name)) {
        throw invalid(property, `${JSON.stringify(name)} is reserved by the engine`, "Choose another name.");
    }
    return name;
}

/** Checks a mount path of OpenBao and gives it back without slashes at its ends. */
export function mountPath(path: string, property: string): string {
    const plain = path.replace(/^\/+|\/+$/g, "");
    if (!/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(plain)) {
        throw invalid(
            property,
            `${JSON.stringify(path)} is not a mount path`,
            'Use letters, digits, ., _ and -, with / between parts, for example "openai".',
        );
    }
    return plain;
}
