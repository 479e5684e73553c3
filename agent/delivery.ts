// SPDX-License-Identifier: Apache-2.0
import { messageOf, RiptidesError } from "../api";
import { delayMs, exchangeBackOff } from "./back-off";
import type { Cancel, Clock } from "./clock";
import type { Credential, Exchange } from "./exchange";
import { overlapMs } from "./horizon";
import { HalfPublished, Kernel, KernelCredential, overwrite } from "./kernel";
import type { HeldToken } from "./held-token";
import type { Ledger } from "./ledger";
import { failureFields, Log } from "./log";
import type { Order } from "./plan";
import type { Revocations } from "./revocations";
import { VaultFailure } from "./vault";
import { wireSecret } from "./wire-secret";

/** What deliveries share. */
export interface DeliveryContext {
    kernel: Kernel;
    exchange: Exchange;
    ledger: Ledger;
    revocations: Revocations;
    clock: Clock;
    log: Log;
}

/** Where a delivery stands. */
export interface DeliveryState {
    order: Order;
    /** End of the credential in the kernel, Unix milliseconds; `undefined` when there is none. */
    expiresAtMs?: number;
    /** Why the last try failed; `undefined` after a success. */
    failure?: RiptidesError;
}

/**
 * Keeps one binding's credential in the kernel.
 *
 *     renew: login + read -> publish -> (overlap) -> end the token before
 *     end:   the table without the binding has wiped it -> end its token at once
 *
 * The binding must be in the kernel's table for as long as the delivery lives.
 */
export class Delivery {
    /** Of the credential in the kernel. */
    private held?: HeldToken;
    private failure?: RiptidesError;
    private failures = 0;
    private timer?: Cancel;
    private busy = false;
    private ended = false;

    constructor(
        private order: Order,
        private readonly context: DeliveryContext,
        private readonly onState: (state: DeliveryState) => void,
    ) {}

    /** Begins with a credential that an earlier agent left in the kernel, if there is one, else with a new one. */
    start(left?: HeldToken): void {
        const { clock } = this.context;
        if (left && left.expiresAtMs > clock.now()) {
            this.held = left;
            this.tell();
        }
        this.plan();
    }

    /** The order has changed: a new fingerprint asks for a new credential, and the one before is ended after it. */
    update(order: Order): void {
        const before = this.order;
        this.order = order;
        const otherCredential = order.fingerprint !== before.fingerprint;
        // Another way to the same server may be the cure: do not wait for the back-off.
        const otherWay = this.failure && JSON.stringify(order.source) !== JSON.stringify(before.source);
        if (otherCredential && this.held?.fingerprint === order.fingerprint) {
            // Back to what the kernel still holds.
            this.failure = undefined;
            this.failures = 0;
            this.tell();
            this.plan();
        } else if (otherCredential || otherWay) {
            this.failures = 0;
            this.plan(0);
        } else if (JSON.stringify(reported(order)) !== JSON.stringify(reported(before))) {
            this.tell();
        }
    }

    /** The binding has left the kernel's table: ends the credential at once. */
    end(): void {
        this.stop();
        if (this.held) {
            this.context.revocations.end(this.held);
            this.held = undefined;
        }
    }

    /** Stops without touching credential or token. */
    stop(): void {
        this.ended = true;
        this.timer?.();
    }

    /** The kernel has wiped the credential at its expiry. */
    expired(): void {
        const { clock, ledger } = this.context;
        if (!this.held || this.held.expiresAtMs > clock.now() + 1_000) {
            return;
        }
        ledger.remove(this.held);
        this.held = undefined;
        this.failure ??= new RiptidesError("Expired", {
            reason: `the credential ended before the agent could replace it`,
        });
        this.tell();
        this.plan();
    }

    /** Sets the time of the next try: `waitMs` from now, else when the credential in the kernel asks for it. */
    private plan(waitMs?: number): void {
        this.timer?.();
        if (this.busy || this.ended) {
            return;
        }
        const due = this.held?.fingerprint === this.order.fingerprint ? this.held.refreshAtMs : 0;
        const wait = waitMs ?? Math.max(0, due - this.context.clock.now());
        this.timer = this.context.clock.after(wait, () => void this.renew());
    }

    private async renew(): Promise<void> {
        const { clock, exchange, log } = this.context;
        const order = this.order;
        this.busy = true;
        try {
            const credential = await exchange.obtain(order);
            if (this.ended || order.fingerprint !== this.order.fingerprint) {
                credential.content.fill(0);
                this.context.revocations.end(credential.token);
            } else {
                this.publish(credential, order);
            }
            this.busy = false;
            this.plan();
        } catch (error) {
            this.busy = false;
            if (this.ended) {
                return;
            }
            if (order.fingerprint !== this.order.fingerprint) {
                this.plan();
                return;
            }
            this.failures++;
            this.failure =
                error instanceof RiptidesError ? error : new RiptidesError("Internal", { reason: messageOf(error) });
            const asked = error instanceof VaultFailure ? error.retryAfterMs : 0;
            const waitMs = delayMs(exchangeBackOff, this.failures, clock, asked);
            if (this.failures === 1) {
                log.warning("delivery failed", { binding: this.order.binding, ...failureFields(this.failure) });
            }
            this.plan(waitMs);
            this.tell();
        }
    }

    /**
     * Publishes file and wire in one step; the token before stays alive for the overlap, for a process that has just read
     * its key, and for requests on their way.
     */
    private publish({ content, token, lifeMs }: Credential, order: Order): void {
        const { kernel, ledger, log, revocations } = this.context;
        const credential: KernelCredential = order.file === undefined ? {} : { content };
        try {
            if (order.wire) {
                credential.secret = wireSecret(content, order.wire.secret);
            }
            kernel.publish(order.key, token.expiresAtMs, credential);
        } catch (error) {
            revocations.end(token);
            if (error instanceof HalfPublished && this.held) {
                revocations.end(this.held);
                this.held = undefined;
            }
            throw error;
        } finally {
            overwrite({ ...credential, content });
        }
        const previous = this.held;
        this.held = token;
        ledger.change([token, { state: "current" }]);
        if (previous) {
            revocations.end(previous, overlapMs(lifeMs));
        }
        this.failure = undefined;
        this.failures = 0;
        log.info("delivered", { binding: this.order.binding, expiresAt: new Date(token.expiresAtMs).toISOString() });
        this.tell();
    }

    /** Says where it stands. */
    tell(): void {
        const expiresAtMs = this.held?.expiresAtMs;
        const alive = expiresAtMs !== undefined && expiresAtMs > this.context.clock.now();
        this.onState({ order: this.order, expiresAtMs: alive ? expiresAtMs : undefined, failure: this.failure });
    }
}

/** What of an order its status tells. */
function reported({ generation, spoofable, wire }: Order): unknown {
    return [generation, spoofable, wire?.injections.map(({ host, port }) => [host, port]), wire?.notes];
}

/** Of the tokens an earlier agent left: that of the credential in the kernel, for each binding; all others are to be ended. */
export function inherit(tokens: readonly HeldToken[]): { current: Map<string, HeldToken>; others: HeldToken[] } {
    const current = new Map<string, HeldToken>();
    const others: HeldToken[] = [];
    for (const token of tokens) {
        if (token.state === "current" && !current.has(token.binding)) {
            current.set(token.binding, token);
        } else {
            others.push(token);
        }
    }
    return { current, others };
}
