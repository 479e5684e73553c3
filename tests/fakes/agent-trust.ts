// SPDX-License-Identifier: Apache-2.0
import type { TrustStore } from "../../agent/injection-plan";
import type { TrustStores } from "../../agent/trust-stores";

/** Trust stores without a disk. */
export class FakeTrust implements TrustStores {
    readonly stores = new Map<string, string>();
    /** Thrown by every write until taken away. */
    fault?: Error;

    keep({ name, pem }: TrustStore): void {
        if (this.fault) {
            throw this.fault;
        }
        this.stores.set(name, pem);
    }

    prune(names: ReadonlySet<string>): void {
        [...this.stores.keys()].filter((name) => !names.has(name)).forEach((name) => this.stores.delete(name));
    }
}
