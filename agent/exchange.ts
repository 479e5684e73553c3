// SPDX-License-Identifier: Apache-2.0
import { kernelLimits } from "../api/kernel-message";
import type { Clock } from "./clock";
import { delayMs, exchangeBackOff } from "./back-off";
import { horizon } from "./horizon";
import { bindingDigest, HeldToken } from "./held-token";
import { Ledger } from "./ledger";
import type { Order } from "./plan";
import type { Revocations } from "./revocations";
import type { SigningKey } from "./signing-key";
import { Slots } from "./slots";
import { serverKey, Vault, VaultFailure } from "./vault";

/** A credential that is not in the kernel yet, and the token that holds it alive. */
export interface Credential {
    /** Overwrite it when done. */
    content: Buffer;
    token: HeldToken;
    /** Milliseconds from its read to its end. */
    lifeMs: number;
}

/** Who signs for the workloads of this node. */
export interface Issuer {
    key: Pick<SigningKey, "sign">;
    trustDomain: string;
    agentId: string;
}

interface Outage {
    failure: VaultFailure;
    failures: number;
    untilMs: number;
}

// A thousand bindings at start-up arrive at a server four at a time.
const parallelByServer = 4;
const longestContent = kernelLimits.content;

/**
 * Buys credentials by the two-use rule: a login, one read, and the token is kept untouched for its last use, which
 * ends the credential. A read is never tried twice on one token: its second use would kill what the first bought.
 *
 * A fault of a whole server or engine is found out by a few requests; until its back-off has passed, all others fail at
 * once with its reason.
 */
export class Exchange {
    private readonly slots = new Map<string, Slots>();
    private readonly outages = new Map<string, Outage>();

    constructor(
        private readonly vault: Vault,
        private readonly issuer: Issuer,
        private readonly ledger: Ledger,
        private readonly revocations: Revocations,
        private readonly clock: Clock,
    ) {}

    /** @throws VaultFailure; its `retryAfterMs` tells when the server may be asked again, where that is known. */
    async obtain(order: Order): Promise<Credential> {
        const [server, engine] = placesOf(order);
        return this.slotsOf(server).run(async () => {
            // Inside the slot: the outage may have been found while this one waited.
            this.refuse(server);
            this.refuse(engine);
            try {
                const credential = await this.buy(order);
                this.outages.delete(server);
                this.outages.delete(engine);
                return credential;
            } catch (error) {
                throw this.note(order, error);
            }
        });
    }

    private async buy(order: Order): Promise<Credential> {
        const { source, spiffeId } = order;
        const loginAtMs = this.clock.now();
        const jwt = await this.issuer.key.sign(this.issuer.trustDomain, this.issuer.agentId, {
            subject: spiffeId,
            audience: source.audience,
            lifetimeSeconds: source.jwtLifetimeSeconds,
            nowMs: loginAtMs,
        });
        const login = await this.vault.login(source.server, source.mount, source.role, jwt, spiffeId);
        const readAtMs = this.clock.now();
        const token: HeldToken = {
            state: "pending",
            binding: bindingDigest(order.key),
            fingerprint: order.fingerprint,
            server: source.server,
            token: login.token,
            ...horizon(loginAtMs, login.ttlMs, readAtMs, 0, this.clock),
        };
        this.ledger.add(token);
        try {
            if (login.uses === 1) {
                throw new VaultFailure("VaultTokenUses", {
                    property: "spec.vault.role",
                    reason: `role ${JSON.stringify(source.role)} gives tokens of one use, and a read with the last use is refused`,
                });
            }
            const { content, leaseMs } = await this.vault.read(source.server, token.token, source.path);
            if (order.file !== undefined && content.length > longestContent) {
                content.fill(0);
                throw new VaultFailure("VaultRequestRefused", {
                    property: "spec.vault.path",
                    reason: `${source.path} gave ${content.length} octets, more than the ${longestContent} of a credential file`,
                    fix: "Name a path with a smaller answer.",
                });
            }
            const times = horizon(loginAtMs, login.ttlMs, readAtMs, leaseMs, this.clock);
            this.ledger.change([token, times]);
            return { content, token, lifeMs: times.expiresAtMs - readAtMs };
        } catch (error) {
            // Whether the answer was lost or refused, the last use cleans up behind it.
            this.revocations.end(token);
            throw error;
        }
    }

    private slotsOf(server: string): Slots {
        const slots = this.slots.get(server) ?? new Slots(parallelByServer);
        this.slots.set(server, slots);
        return slots;
    }

    /** Fails when the place is known to be out of order. */
    private refuse(place: string): void {
        const outage = this.outages.get(place);
        const restMs = outage ? outage.untilMs - this.clock.now() : 0;
        if (outage && restMs > 0) {
            const { failure } = outage;
            throw new VaultFailure(failure.code, failure, failure.scope, restMs);
        }
    }

    private note(order: Order, error: unknown): unknown {
        if (!(error instanceof VaultFailure) || error.scope === "request") {
            return error;
        }
        const [server, engine] = placesOf(order);
        const place = error.scope === "server" ? server : engine;
        const failures = (this.outages.get(place)?.failures ?? 0) + 1;
        const waitMs = delayMs(exchangeBackOff, failures, this.clock, error.retryAfterMs);
        this.outages.set(place, { failure: error, failures, untilMs: this.clock.now() + waitMs });
        return new VaultFailure(error.code, error, error.scope, waitMs);
    }
}

function placesOf({ source }: Order): [server: string, engine: string] {
    const server = serverKey(source.server);
    return [server, `${server} ${source.path.split("/")[0]}`];
}
