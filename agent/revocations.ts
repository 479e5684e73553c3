// SPDX-License-Identifier: Apache-2.0
import { delayMs, exchangeBackOff } from "./back-off";
import type { Cancel, Clock } from "./clock";
import type { HeldToken } from "./held-token";
import type { Ledger } from "./ledger";
import { failureFields, Log } from "./log";
import { Slots } from "./slots";
import { Vault, VaultFailure } from "./vault";

const parallel = 4;

/** Ends tokens, and with them the credentials they bought: each by its last use, `auth/token/revoke-self`. */
export class Revocations {
    private readonly waiting = new Map<HeldToken, Cancel>();
    private readonly slots = new Slots(parallel);
    private stopped = false;
    private onIdle?: () => void;

    constructor(
        private readonly vault: Vault,
        private readonly ledger: Ledger,
        private readonly clock: Clock,
        private readonly log: Log,
    ) {}

    /** Ends a token of the ledger after `delay` milliseconds, and tries until it is gone or has ended by itself. */
    end(token: HeldToken, delay = 0): void {
        // The next agent finds it in the ledger as it is.
        if (this.stopped) {
            return;
        }
        if (token.state !== "spent") {
            this.ledger.change([token, { state: "spent" }]);
        }
        this.schedule(token, delay, 0);
    }

    /** Stops trying; what is not ended stays in the ledger. */
    stop(): void {
        this.stopped = true;
        this.waiting.forEach((cancel) => cancel());
    }

    /** Waits until every token is ended, `limitMs` at most, and tells how many are not. */
    settled(limitMs: number): Promise<number> {
        return new Promise((resolve) => {
            const done = () => {
                cancel();
                resolve(this.waiting.size);
            };
            const cancel = this.clock.after(limitMs, done);
            if (this.waiting.size === 0) {
                done();
            } else {
                this.onIdle = done;
            }
        });
    }

    private schedule(token: HeldToken, delay: number, failures: number, retryAfterMs = 0): void {
        if (this.stopped) {
            return;
        }
        const wait = failures === 0 ? delay : delayMs(exchangeBackOff, failures, this.clock, retryAfterMs);
        this.waiting.set(
            token,
            this.clock.after(wait, () => void this.attempt(token, failures)),
        );
    }

    private async attempt(token: HeldToken, failures: number): Promise<void> {
        if (token.expiresAtMs <= this.clock.now()) {
            this.finish(token);
            return;
        }
        try {
            await this.slots.run(() => this.vault.revokeSelf(token.server, token.token));
            this.finish(token);
        } catch (error) {
            if (failures === 0) {
                this.log.warning("a key could not be revoked yet", {
                    server: token.server.address,
                    ...failureFields(error),
                });
            }
            this.schedule(token, 0, failures + 1, error instanceof VaultFailure ? error.retryAfterMs : 0);
        }
    }

    private finish(token: HeldToken): void {
        if (this.stopped) {
            return;
        }
        this.waiting.delete(token);
        this.ledger.remove(token);
        if (this.waiting.size === 0) {
            this.onIdle?.();
        }
    }
}
