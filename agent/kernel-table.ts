// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { messageOf, RiptidesError } from "../api";
import type { Resolution } from "./facts";
import { claimOf, InjectionPlaces } from "./injection-places";
import type { Kernel, KernelBinding } from "./kernel";
import { failureFields, Log } from "./log";
import type { Order } from "./plan";
import type { TrustStores } from "./trust-stores";

/** An order and what its selectors are on this node. */
export interface Looked {
    order: Order;
    resolution: Resolution;
}

/** The table that is in force, and why an order has no place in it, by binding. */
export interface Put {
    inForce: Looked[];
    left: ReadonlyMap<string, RiptidesError>;
}

/** The kernel's table of bindings, with the trust stores that it names. */
export class KernelTable {
    private committed?: string;

    constructor(
        private readonly kernel: Pick<Kernel, "commit" | "limits">,
        private readonly trust: TrustStores,
        private readonly log: Log,
    ) {}

    /** Puts in force what can be, the first of them first, when it differs from what is. @throws RiptidesError; then nothing has changed */
    put(looked: readonly Looked[]): Put {
        const left = new Map<string, RiptidesError>();
        const inForce: Looked[] = [];
        const places = new InjectionPlaces();
        let injections = 0;
        for (const one of looked) {
            const { order, resolution } = one;
            const claim = claimOf(order, resolution.facts);
            const needed = injections + (order.wire?.injections.length ?? 0);
            const failure =
                (resolution.facts.length === 0 ? resolution.failures[0] : undefined) ??
                places.refusal(claim) ??
                this.lackOfRoom(inForce.length, needed) ??
                this.keepTrust(order);
            if (failure) {
                left.set(order.binding, failure);
                continue;
            }
            places.take(claim);
            inForce.push(one);
            injections = needed;
        }
        this.commit(inForce.map(bindingOf));
        this.prune(inForce);
        return { inForce, left };
    }

    private commit(table: KernelBinding[]): void {
        const digest = createHash("sha256").update(JSON.stringify(table, plainFacts)).digest("hex");
        if (digest === this.committed) {
            return;
        }
        this.kernel.commit(table);
        this.committed = digest;
        const injections = table.reduce((sum, binding) => sum + binding.injections.length, 0);
        this.log.info("table in force", { bindings: table.length, injections });
    }

    private lackOfRoom(bindings: number, injections: number): RiptidesError | undefined {
        const { limits } = this.kernel;
        if (bindings < limits.bindings && injections <= limits.injections) {
            return undefined;
        }
        return new RiptidesError("KernelModule", {
            reason: `the node already serves ${bindings} bindings, and the module has no room for this one`,
            fix: "Move some of the workloads to another node.",
        });
    }

    /** Before the table names it. */
    private keepTrust({ wire }: Order): RiptidesError | undefined {
        try {
            wire?.trust.forEach((store) => this.trust.keep(store));
            return undefined;
        } catch (error) {
            const reason = `a trust store could not be written: ${messageOf(error)}`;
            return new RiptidesError("NodeUnsuitable", { reason, cause: error });
        }
    }

    /** After the table has ceased to name it. */
    private prune(inForce: readonly Looked[]): void {
        try {
            this.trust.prune(new Set(inForce.flatMap(({ order }) => order.wire?.trust.map(({ name }) => name) ?? [])));
        } catch (error) {
            this.log.warning("a trust store could not be removed", failureFields(error));
        }
    }
}

function bindingOf({ order, resolution }: Looked): KernelBinding {
    return {
        key: order.key,
        alternatives: resolution.facts,
        delivery: { file: order.file !== undefined, wire: order.wire !== undefined },
        injections: order.wire?.injections ?? [],
    };
}

function plainFacts(_key: string, value: unknown): unknown {
    if (typeof value === "bigint") {
        return String(value);
    }
    return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}
