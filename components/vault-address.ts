// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { serverUrl } from "../api";
import { checked, invalid, isLoopback, missing } from "./check";

/**
 * URL of OpenBao for a node: the one given, else that of the program's environment (`vault:address`, `VAULT_ADDR`,
 * `BAO_ADDR`). A loopback address taken from the environment is refused: on the node it means the node.
 */
export function vaultAddress(
    given: pulumi.Input<string> | undefined,
    component: pulumi.ComponentResource,
): pulumi.Output<string> {
    if (given !== undefined) {
        return checked<string, string>(given, (text) => parse(text).text);
    }
    const ask = "Set vaultAddress to the URL of OpenBao as the node sees it.";
    if (component.getProvider("vault::")) {
        throw missing(
            "vaultAddress",
            "an explicit vault.Provider is in use, so the environment may name another server",
            ask,
        );
    }
    const found = new pulumi.Config("vault").get("address") ?? process.env["VAULT_ADDR"] ?? process.env["BAO_ADDR"];
    if (!found) {
        throw missing("vaultAddress", "neither vault:address nor VAULT_ADDR nor BAO_ADDR is set", ask);
    }
    const { text, host } = parse(found);
    if (isLoopback(host)) {
        throw missing("vaultAddress", `${text} is a loopback address, which on the node means the node itself`, ask);
    }
    return pulumi.output(text);
}

function parse(text: string): { text: string; host: string } {
    const fix = "Write it like https://bao.example.org:8200.";
    const url = serverUrl(text, { code: "InvalidProperty", property: "vaultAddress", wanted: "a server's URL", fix });
    if (url.pathname !== "/") {
        throw invalid("vaultAddress", `${JSON.stringify(text)} has a path`, fix);
    }
    return { text: url.origin, host: url.hostname };
}
