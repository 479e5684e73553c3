// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { resourceOptions, secret } from "./options";

/** Configuration of the provider. What is left out comes from the environment variables named with each field. */
export interface ProviderArgs {
    /** URL of OpenBao or Vault. `VAULT_ADDR`, `BAO_ADDR`. */
    address?: pulumi.Input<string>;
    /** Token for it; kept secret. `VAULT_TOKEN`, `BAO_TOKEN`. */
    token?: pulumi.Input<string>;
    /** Namespace of the server. `VAULT_NAMESPACE`. */
    namespace?: pulumi.Input<string>;
    /** PEM certificates to trust, instead of the system's. The file at `VAULT_CACERT`. */
    caCert?: pulumi.Input<string>;
    /** Text or path of a kubeconfig; kept secret. `KUBECONFIG`. */
    kubeconfig?: pulumi.Input<string>;
}

/** An explicit instance of the provider `riptides`, for programs with more than one OpenBao or cluster. */
export class Provider extends pulumi.ProviderResource {
    constructor(name: string, args: ProviderArgs = {}, opts?: pulumi.ResourceOptions) {
        const inputs = { ...args, token: secret(args.token), kubeconfig: secret(args.kubeconfig) };
        super("riptides", name, inputs, resourceOptions(opts, ["token", "kubeconfig"]));
    }
}
