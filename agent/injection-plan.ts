// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from "node:crypto";
import {
    checkInjection,
    dnsName,
    injectionDefaults as defaults,
    injectionRules,
    InjectionSpec,
    labelsMatch,
    messageOf,
    RiptidesError,
    ServiceSpec,
} from "../api";
import type { KernelInjection } from "../api/kernel-message";
import type { ServiceResource } from "./cluster";

/** Which fields of the source's data go onto the wire. */
export type SecretShape =
    | { kind: "header"; field: string }
    | { kind: "sigv4"; accessKeyField: string; secretKeyField: string; sessionTokenField: string };

/** PEM certificates and the name that the kernel and the TLS helper know them by. */
export interface TrustStore {
    /** 64 letters and digits: SHA-256 of the PEM. */
    name: string;
    pem: string;
}

/** What a binding asks of the wire. */
export interface WireOrder {
    /** One for each host and port; never empty. */
    injections: KernelInjection[];
    secret: SecretShape;
    /** Trust stores that the injections name. */
    trust: TrustStore[];
    /** Whole sentences about what was left out. */
    notes: string[];
}

const property = "spec.propagation.injection";

/** Services by label: a thousand bindings need not look at a thousand Services each. */
export class ServiceIndex {
    private readonly byLabel = new Map<string, ServiceResource[]>();

    constructor(services: Iterable<ServiceResource>) {
        for (const service of [...services].sort((a, b) => (a.name < b.name ? -1 : 1))) {
            for (const label of Object.entries(service.spec.labels)) {
                const key = JSON.stringify(label);
                const known = this.byLabel.get(key) ?? [];
                this.byLabel.set(key, known);
                known.push(service);
            }
        }
    }

    /** Those that one of the selectors matches, by name. */
    matching(selectors: InjectionSpec["selectors"]): ServiceResource[] {
        const found = selectors.flatMap((selector) => this.candidates(selector));
        const sound = found.filter(({ spec }) => labelsMatch(spec.labels, selectors));
        return [...new Set(sound)].sort((a, b) => (a.name < b.name ? -1 : 1));
    }

    /** Those with the rarest of a selector's labels. */
    private candidates(selector: InjectionSpec["selectors"][number]): ServiceResource[] {
        const byKey = Object.entries(selector).map(([key, value]) =>
            [value].flat().flatMap((one) => this.byLabel.get(JSON.stringify([key, String(one)])) ?? []),
        );
        return byKey.reduce((rarest, next) => (next.length < rarest.length ? next : rarest), byKey[0] ?? []);
    }
}

/**
 * Which hosts a binding injects into, and what. Pure. What is wrong with one Service or address leaves that one out.
 * @throws RiptidesError when nothing is left, or when the binding itself is wrong
 */
export function planWire(spec: InjectionSpec, services: ServiceIndex): WireOrder {
    checkInjection(spec, property);
    const matching = services.matching(spec.selectors);
    if (matching.length === 0) {
        throw new RiptidesError("ServiceMissing", {
            property: `${property}.selectors`,
            reason: `there is no Service with labels ${JSON.stringify(spec.selectors)}`,
        });
    }
    const rules = injectionRules(spec.allow, `${property}.allow`);
    const places = new Map<string, { service: string; injection: KernelInjection }>();
    const trust = new Map<string, TrustStore>();
    const left: { service: string; reason: string }[] = [];
    for (const service of matching) {
        const leave = (reason: string) => left.push({ service: service.name, reason });
        try {
            const store = trustStoreOf(service.spec);
            const add = additionOf(spec, service.spec);
            for (const { host, port } of addressesOf(service.spec, leave)) {
                const injection: KernelInjection = { host, port, ...(store ? { trust: store.name } : {}), rules, add };
                const place = `${host}:${port}`;
                const known = places.get(place);
                if (!known) {
                    places.set(place, { service: service.name, injection });
                } else if (JSON.stringify(known.injection) !== JSON.stringify(injection)) {
                    leave(`Service ${known.service} says something else of ${place}`);
                }
            }
            if (store) {
                trust.set(store.name, store);
            }
        } catch (error) {
            leave(error instanceof RiptidesError ? error.reason : messageOf(error));
        }
    }
    const injections = [...places.values()].map(({ injection }) => injection);
    if (injections.length === 0) {
        const { service, reason } = left[0] ?? { service: matching[0]!.name, reason: "it has no address" };
        throw new RiptidesError("ServiceUnsuitable", { property: `Service ${service}`, reason });
    }
    const used = new Set(injections.map((injection) => injection.trust));
    return {
        injections,
        secret: shapeOf(spec, [...places.values()]),
        trust: [...trust.values()].filter(({ name }) => used.has(name)),
        notes: left.map(({ service, reason }) => `Service ${service} is not served in full: ${reason}.`),
    };
}

/** What is added to a request. The binding's own words go before the Service's. */
function additionOf(spec: InjectionSpec, { aws }: ServiceSpec): KernelInjection["add"] {
    const { header, scheme, field, sigv4 } = spec;
    if (!sigv4 && (!aws || (header ?? scheme ?? field) !== undefined)) {
        const word = scheme ?? defaults.scheme;
        return { kind: "header", name: header ?? defaults.header, prefix: word ? `${word} ` : "" };
    }
    const region = sigv4?.region ?? aws?.region;
    const service = sigv4?.service ?? aws?.service;
    if (!region || !service) {
        throw new RiptidesError("ServiceUnsuitable", {
            reason: `neither sigv4 of the binding nor aws of the Service says the AWS ${region ? "service" : "region"}`,
        });
    }
    return { kind: "sigv4", region, service, bodyMax: sigv4?.bodyLimit ?? defaults.bodyLimit };
}

/** A binding has one secret, so all its services must take the same kind. */
function shapeOf(
    { field, sigv4 }: InjectionSpec,
    places: { service: string; injection: KernelInjection }[],
): SecretShape {
    const [first] = places;
    const { kind } = first!.injection.add;
    const other = places.find(({ injection }) => injection.add.kind !== kind);
    if (other) {
        throw new RiptidesError("ServiceUnsuitable", {
            property: `${property}.selectors`,
            reason: `of the Services ${first!.service} and ${other.service}, only one has its requests signed for AWS`,
            fix: "Make one binding for each of the two kinds.",
        });
    }
    return kind === "header"
        ? { kind, field: field ?? defaults.field }
        : {
              kind,
              accessKeyField: sigv4?.accessKeyField ?? defaults.accessKeyField,
              secretKeyField: sigv4?.secretKeyField ?? defaults.secretKeyField,
              sessionTokenField: sigv4?.sessionTokenField ?? defaults.sessionTokenField,
          };
}

function addressesOf({ addresses }: ServiceSpec, refuse: (reason: string) => void): { host: string; port: number }[] {
    return addresses.flatMap(({ address, aliases = [], port = defaults.port }) =>
        [address, ...aliases].flatMap((text) => {
            const host = dnsName(text);
            if (!host || !Number.isInteger(port) || port < 1 || port > 65_535) {
                refuse(`${JSON.stringify(text)} port ${port} is not the name of one host and its port`);
                return [];
            }
            return [{ host, port }];
        }),
    );
}

// One for all bindings, and the same as long as the object is.
const stores = new WeakMap<ServiceSpec, TrustStore>();

function trustStoreOf(spec: ServiceSpec): TrustStore | undefined {
    if (!spec.caBundle) {
        return undefined;
    }
    const store = stores.get(spec) ?? readTrustStore(spec.caBundle);
    stores.set(spec, store);
    return store;
}

/** Keeps the certificates and nothing else: the file of a trust store is for everyone to read. */
function readTrustStore(caBundle: string): TrustStore {
    const blocks = caBundle.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
    try {
        blocks.forEach((block) => new X509Certificate(block));
    } catch (error) {
        throw new RiptidesError("ServiceUnsuitable", { reason: `spec.caBundle cannot be read: ${messageOf(error)}` });
    }
    if (blocks.length === 0) {
        throw new RiptidesError("ServiceUnsuitable", { reason: "spec.caBundle holds no PEM certificate" });
    }
    const pem = `${blocks.join("\n")}\n`;
    return { name: createHash("sha256").update(pem).digest("hex"), pem };
}
