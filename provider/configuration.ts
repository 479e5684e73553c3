// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf, RiptidesError, Secret, serverUrl } from "../api";
import { OpenBao } from "./openbao";
import { Computed, type CheckRequest, type CheckResult, type PropertyMap, type Value } from "./protocol";
import { checkFields, secretPaths, type Fields } from "./table";

/** The provider's own configuration. Everything is optional; what is left out comes from the environment when first needed. */
export const configurationFields = {
    address: {
        type: "string",
        doc: "URL of OpenBao or Vault as seen from where Pulumi runs. Default: `VAULT_ADDR`, then `BAO_ADDR`.",
        check: (value, property) => checkAddress(String(value), property),
    },
    token: { type: "string", secret: true, doc: "Token to work with. Default: `VAULT_TOKEN`, then `BAO_TOKEN`." },
    namespace: { type: "string", doc: "Namespace of the server. Default: `VAULT_NAMESPACE`." },
    caCert: {
        type: "string",
        doc: "PEM certificates to trust for `address`. Default: the file that `VAULT_CACERT` names, else Node's own.",
        check: (value, property) => checkPem(String(value), property),
    },
    kubeconfig: {
        type: "string",
        secret: true,
        doc: "Text or path of the kubeconfig of the cluster with the Riptides resources. Default: `KUBECONFIG`, then `~/.kube/config`.",
    },
} as const satisfies Fields;

// The engine's own keys in a provider's inputs.
const engineKeys = new Set(["version", "pluginDownloadURL", "pluginChecksums"]);

/** Checks the configuration of an explicit or default provider. */
export function checkConfiguration({ news }: CheckRequest): CheckResult {
    const ours = Object.fromEntries(Object.entries(news).filter(([key]) => !engineKeys.has(key)));
    const theirs = Object.fromEntries(Object.entries(news).filter(([key]) => engineKeys.has(key)));
    const { inputs, failures } = checkFields(configurationFields, ours);
    return { inputs: { ...theirs, ...inputs }, failures, secrets: secretPaths(configurationFields) };
}

/** What the resources work with, made when first asked for: a preview of a stack needs no server. */
export class Configuration {
    #values: PropertyMap = {};
    #openbao: OpenBao | undefined;

    constructor(private readonly environment: NodeJS.ProcessEnv = process.env) {}

    set(values: PropertyMap): void {
        this.#openbao?.close();
        this.#openbao = undefined;
        this.#values = values;
    }

    /** @throws RiptidesError `InvalidConfiguration` naming the field and its environment variable */
    openbao(): OpenBao {
        if (!this.#openbao) {
            const address = this.#need("address", "VAULT_ADDR", "BAO_ADDR");
            this.#openbao = new OpenBao({
                address: checkAddress(address, "address"),
                token: new Secret(this.#need("token", "VAULT_TOKEN", "BAO_TOKEN")),
                namespace: this.#text("namespace", "VAULT_NAMESPACE"),
                caCert: this.#text("caCert") ?? this.#caFile(),
            });
        }
        return this.#openbao;
    }

    /** Text of the kubeconfig, and the file it came from, if any. */
    kubeconfig(): { text: string; file?: string } {
        const given = this.#text("kubeconfig", "KUBECONFIG") ?? join(homedir(), ".kube", "config");
        if (given.includes("\n") || given.trimStart().startsWith("{")) {
            return { text: given };
        }
        // As kubectl does, though only the first of a list of files is read.
        const file = given.split(":")[0]!.replace(/^~(?=\/)/, homedir());
        return { text: readConfigured(file, "kubeconfig", "KUBECONFIG"), file };
    }

    #caFile(): string | undefined {
        const file = this.environment["VAULT_CACERT"];
        return file ? readConfigured(file, "caCert", "VAULT_CACERT") : undefined;
    }

    #need(field: string, ...variables: string[]): string {
        const value = this.#text(field, ...variables);
        if (value === undefined) {
            throw new RiptidesError("InvalidConfiguration", {
                property: field,
                reason: `the provider configuration has no ${field}`,
                fix: `Set riptides:${field} in the stack's configuration or the provider's arguments, or the environment variable ${variables.join(" or ")}.`,
            });
        }
        return value;
    }

    #text(field: string, ...variables: string[]): string | undefined {
        const value: Value | undefined = this.#values[field];
        if (value instanceof Computed) {
            throw new RiptidesError("InvalidConfiguration", {
                property: field,
                reason: `the provider configuration ${field} is not known yet`,
                fix: "Run `pulumi up` for what it comes from first.",
            });
        }
        const text = typeof value === "string" ? value : undefined;
        return text || variables.map((name) => this.environment[name]).find(Boolean) || undefined;
    }
}

function checkAddress(text: string, property: string): string {
    serverUrl(text, {
        code: "InvalidConfiguration",
        property,
        wanted: "the URL of a server",
        fix: "Give it as https://host:port (VAULT_ADDR).",
    });
    return text.replace(/\/+$/, "");
}

function checkPem(text: string, property: string): string {
    if (!text.includes("-----BEGIN CERTIFICATE-----")) {
        throw new RiptidesError("InvalidConfiguration", {
            property,
            reason: "there is no PEM certificate in it",
            fix: "Give the text of the certificate file, from -----BEGIN CERTIFICATE----- on, not its path.",
        });
    }
    return text;
}

function readConfigured(file: string, property: string, variable: string): string {
    try {
        return readFileSync(file, "utf8");
    } catch (error) {
        throw new RiptidesError("InvalidConfiguration", {
            property,
            reason: `the file cannot be read: ${messageOf(error)}`,
            fix: `Correct provider configuration ${property} or ${variable}.`,
            cause: error,
        });
    }
}
