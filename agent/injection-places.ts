// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../api";
import type { KernelFacts } from "../api/kernel-message";
import type { Order } from "./plan";

/** Where an order injects, and what each of its alternatives implies. */
export interface Claim {
    order: Order;
    places: string[];
    alternatives: string[][];
}

/** What an order with these facts asks of {@link InjectionPlaces}. */
export function claimOf(order: Order, facts: readonly KernelFacts[]): Claim {
    const places = (order.wire?.injections ?? []).map(({ host, port }) => `${host}:${port}`);
    // Most bindings of a node may have no place: theirs are not worked out.
    return { order, places, alternatives: places.length > 0 ? facts.map(impliedBy) : [] };
}

/**
 * Where bindings inject, and for whom. The kernel injects one credential into a request: of two bindings that are
 * certain to be for one process, it would take either. That is certain when an alternative of one has all the facts of
 * an alternative of the other; whether a process ever has the facts of two that differ, nobody can tell beforehand.
 */
export class InjectionPlaces {
    /** Orders by place and alternative; the first has it. */
    private readonly exact = new Map<string, Order>();
    /** Orders by place and everything that an alternative implies. */
    private readonly implied = new Map<string, Order>();

    /** Why an order cannot stand beside those that have taken places. */
    refusal({ places, alternatives }: Claim): RiptidesError | undefined {
        for (const place of places) {
            for (const [self, ...wider] of alternatives) {
                const other =
                    this.implied.get(place + self) ??
                    wider.map((text) => this.exact.get(place + text)).find((found) => found);
                if (other) {
                    return new RiptidesError("InjectionClash", {
                        property: "spec.propagation.injection",
                        reason: `CredentialBinding ${JSON.stringify(other.binding)}, created ${other.createdAt}, injects for the same process at ${place}`,
                    });
                }
            }
        }
        return undefined;
    }

    take({ order, places, alternatives }: Claim): void {
        for (const place of places) {
            for (const texts of alternatives) {
                keep(this.exact, place + texts[0], order);
                texts.forEach((text) => keep(this.implied, place + text, order));
            }
        }
    }
}

function keep(orders: Map<string, Order>, key: string, order: Order): void {
    if (!orders.has(key)) {
        orders.set(key, order);
    }
}

/** What a process with these facts has, one text for each conjunction: the facts themselves first, then fewer. */
function impliedBy({ userNamespace, executable, cgroup, ...plain }: KernelFacts): string[] {
    const { sha256, uid, gid, comm } = plain;
    const facts: Record<string, string[]> = {
        uid: optional(uid),
        gid: optional(gid),
        comm: optional(comm),
        sha256: optional(sha256 && Buffer.from(sha256).toString("hex")),
        executable: optional(executable && `${executable.major}:${executable.minor}:${executable.inode}`),
        cgroup: [...ancestors(cgroup), ""],
    };
    // Left out, it is the initial one and no other: it never goes without saying.
    const start = [` userns ${userNamespace ?? ""}`];
    return Object.entries(facts).reduce(
        (texts, [name, values]) =>
            texts.flatMap((text) => values.map((value) => (value ? `${text} ${name} ${JSON.stringify(value)}` : text))),
        start,
    );
}

/** The value, and none. */
function optional(value: string | number | undefined): string[] {
    return value === undefined ? [""] : [String(value), ""];
}

/** A cgroup and those above it: a process is in all of them. */
function ancestors(cgroup: string | undefined): string[] {
    const parts = cgroup?.split("/").slice(1) ?? [];
    return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`);
}
