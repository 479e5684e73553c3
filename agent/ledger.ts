// SPDX-License-Identifier: Apache-2.0
import { decodeTokens, HeldToken, TokenCodec } from "./held-token";
import type { Kernel } from "./kernel";
import { failureFields, Log } from "./log";

/**
 * Every token the agent holds. It is written through to the kernel module at each change, so that a restarted agent
 * goes on with live credentials and can end every one of them; it never touches a disk.
 */
export class Ledger {
    private readonly tokens = new Set<HeldToken>();
    private readonly codec = new TokenCodec();
    private full = false;

    constructor(
        private readonly kernel: Pick<Kernel, "keep" | "limits">,
        private readonly log: Log,
    ) {}

    /** All tokens; the result does not follow later changes. */
    all(): HeldToken[] {
        return [...this.tokens];
    }

    add(token: HeldToken): void {
        this.tokens.add(token);
        this.save();
    }

    /** Changes tokens of the ledger in one step. */
    change(...changes: [HeldToken, Partial<HeldToken>][]): void {
        changes.forEach(([token, change]) => {
            Object.assign(token, change);
            this.codec.forget(token);
        });
        this.save();
    }

    remove(token: HeldToken): void {
        if (this.tokens.delete(token)) {
            this.codec.forget(token);
            this.save();
        }
    }

    /** Takes in what an earlier agent left. */
    restore(bytes: Buffer): void {
        decodeTokens(bytes).forEach((token) => this.tokens.add(token));
        bytes.fill(0);
    }

    private save(): void {
        const { bytes, left } = this.codec.encode([...this.tokens], this.kernel.limits.blob);
        if (left > 0 !== this.full) {
            this.full = left > 0;
            this.log.warning(this.full ? "the module has no room for all tokens" : "the module has room again", {
                left,
            });
        }
        try {
            this.kernel.keep(bytes);
        } catch (error) {
            // Deliveries go on: what is lost is that the next agent knows of them.
            this.log.error("tokens could not be left with the module", failureFields(error));
        }
        bytes.fill(0);
    }
}
