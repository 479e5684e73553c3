// SPDX-License-Identifier: Apache-2.0
import { messageOf, RiptidesError } from "../api";
import type { Clock } from "./clock";
import type { Cluster } from "./cluster";
import type { Kernel } from "./kernel";
import { Ledger } from "./ledger";
import type { Log } from "./log";
import { Revocations } from "./revocations";
import type { TrustStores } from "./trust-stores";
import type { Vault } from "./vault";

export interface DrainParts {
    agentId: string;
    clock: Clock;
    /** Asked for last: a credential for the cluster that is spoiled must not keep the keys alive. */
    cluster: () => Promise<Pick<Cluster, "deleteDaemon">>;
    /** `undefined` when the module is not loaded: then it holds nothing. */
    kernel: Kernel | undefined;
    trust: Pick<TrustStores, "prune">;
    vault: Vault;
    log: Log;
}

/** What a drain ended, and what it could not. */
export interface Drained {
    revoked: number;
    /** Credentials that may be alive until they expire; their tokens stay with the module for another try. */
    pending: number;
}

const limitMs = 45_000;

/**
 * Ends everything this node holds, for the removal of the agent: empties the kernel's table (which wipes every
 * credential), ends every token, then removes the Daemon object. The service must be stopped.
 * @throws RiptidesError `ClusterUnreachable` or `ClusterDenied` when only the Daemon object is left
 */
export async function drain(parts: DrainParts): Promise<Drained> {
    const { agentId, clock, cluster, kernel, trust, vault, log } = parts;
    const drained: Drained = { revoked: 0, pending: 0 };
    if (kernel) {
        kernel.commit([]);
        trust.prune(new Set());
        const ledger = new Ledger(kernel, log);
        ledger.restore(await kernel.kept());
        const tokens = ledger.all();
        const revocations = new Revocations(vault, ledger, clock, log);
        tokens.forEach((token) => revocations.end(token));
        drained.pending = await revocations.settled(limitMs);
        drained.revoked = tokens.length - drained.pending;
        revocations.stop();
    }
    if (drained.pending === 0) {
        await (await opened(cluster)).deleteDaemon(agentId);
    }
    return drained;
}

async function opened(cluster: DrainParts["cluster"]): Promise<Pick<Cluster, "deleteDaemon">> {
    try {
        return await cluster();
    } catch (error) {
        throw new RiptidesError("ClusterDenied", {
            reason: `the agent's token for the cluster cannot be had: ${messageOf(error)}`,
            fix: "Delete the Daemon object by hand; no key is left alive.",
            cause: error,
        });
    }
}

/** The failure of a drain that left something. */
export function leftover({ pending }: Drained): RiptidesError {
    return new RiptidesError("VaultUnreachable", {
        reason: `${pending} keys could not be revoked in ${limitMs / 1_000} s and stay alive until they expire`,
        fix: "Bring OpenBao back and run drain again, before the module is unloaded.",
    });
}
