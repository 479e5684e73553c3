// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ServiceResource } from "../../agent/cluster";
import { planWire, ServiceIndex } from "../../agent/injection-plan";
import { dnsName, injectionRules, InjectionSpec, labelsMatch, RiptidesError, ServiceSpec } from "../../api";
import { encodeInjection } from "../../api/kernel-message";
import { certificate } from "../fakes/certificate";

const key = { workload: "573a25be-8b5f-5c50-837e-9bbb2db38ed0", binding: "keys" };

function service(name: string, change: Partial<ServiceSpec> = {}): ServiceResource {
    const addresses = [{ address: `${name}.example.org` }];
    const spec = { labels: { api: "openai" }, addresses, ...change };
    return { name, uid: name, generation: 1, createdAt: "2026-01-01T00:00:00Z", spec };
}

function planned(services: ServiceResource[], injection: Partial<InjectionSpec> = {}) {
    return planWire({ selectors: [{ api: "openai" }], ...injection }, new ServiceIndex(services));
}

const places = (services: ServiceResource[], injection: Partial<InjectionSpec> = {}) =>
    planned(services, injection).injections.map(({ host, port }) => `${host}:${port}`);

describe("agent: injection selectors", () => {
    it("match labels: keys are ANDed, selectors and list values are alternatives", () => {
        const labels = { api: "openai", team: "a", tier: "1" };
        for (const [selectors, matches] of [
            [[{ api: "openai" }], true],
            [[{ api: "openai", team: "b" }], false],
            [[{ team: "b" }, { team: "a" }], true],
            [[{ team: ["b", "a"] }], true],
            [[{ tier: 1 }], true],
            [[{ absent: "x" }], false],
            [[{}], false],
            [[], false],
        ] as const) {
            assert.equal(labelsMatch(labels, selectors as never), matches, JSON.stringify(selectors));
        }
    });

    it("find through the index what they match one by one", () => {
        const value = fc.constantFrom("1", "2", "3");
        const labels = fc.dictionary(fc.constantFrom("a", "b", "c"), value);
        const selector = fc.dictionary(
            fc.constantFrom("a", "b", "c", "d"),
            fc.oneof(value, fc.integer({ min: 1, max: 3 }), fc.array(value, { maxLength: 2 })),
        );
        fc.assert(
            fc.property(fc.array(labels), fc.array(selector, { maxLength: 3 }), (all, selectors) => {
                const services = all.map((one, index) =>
                    service(`s${String(index).padStart(3, "0")}`, { labels: one }),
                );
                const found = new ServiceIndex(services).matching(selectors);
                assert.deepEqual(
                    found.map(({ name }) => name),
                    services.filter(({ spec }) => labelsMatch(spec.labels, selectors)).map(({ name }) => name),
                );
            }),
        );
    });

    it("take every address and alias of every Service that matches, each host and port once, port 443 by default", () => {
        const services = [
            service("b", { addresses: [{ address: "API.Example.org.", aliases: ["two.example.org"], port: 8443 }] }),
            service("a"),
            service("same", { addresses: [{ address: "a.example.org", port: 443 }] }),
            service("other", { labels: { api: "github" } }),
        ];
        assert.deepEqual(places(services), ["a.example.org:443", "api.example.org:8443", "two.example.org:8443"]);
    });

    it("do not depend on the order of the Services", () => {
        const services = ["a", "b", "c", "d"].map((name, index) =>
            service(name, { addresses: [{ address: `host${index % 3}.example.org`, port: 400 + (index % 2) }] }),
        );
        const known = places(services);
        fc.assert(
            fc.property(fc.shuffledSubarray(services, { minLength: 4 }), (shuffled) =>
                assert.deepEqual(places(shuffled), known),
            ),
        );
    });

    it("say ServiceMissing with the labels when nothing matches", () => {
        assert.throws(
            () => planned([service("a", { labels: {} })]),
            /^RiptidesError: spec\.propagation\.injection\.selectors: there is no Service with labels \[\{"api":"openai"\}\]\. .*\[ServiceMissing\]$/,
        );
    });

    it("leave out what no certificate can prove, and say which", () => {
        const services = [
            service("good"),
            service("bad", {
                addresses: [{ address: "10.0.0.1" }, { address: "*.example.org" }, { address: "[::1]" }],
            }),
        ];
        const order = planned(services);
        assert.deepEqual(order.injections.length, 1);
        assert.equal(order.notes.length, 3);
        assert.match(order.notes[0]!, /^Service bad is not served in full: "10\.0\.0\.1" port 443 is not the name/);
        assert.throws(() => planned([services[1]!]), /Service bad: "10\.0\.0\.1".*\[ServiceUnsuitable\]/);
    });

    it("leave out a Service that says something else of a place that another has", () => {
        const twice = [service("a"), service("b", { addresses: [{ address: "a.example.org" }], aws })];
        const order = planned(twice);
        assert.equal(order.injections[0]!.add.kind, "header");
        assert.match(order.notes[0]!, /Service b .*Service a says something else of a\.example\.org:443/);
    });
});

const aws = { region: "eu-west-1", service: "s3" };

describe("agent: what is injected", () => {
    it("is a bearer token in Authorization unless the binding says otherwise", () => {
        const add = (injection: Partial<InjectionSpec>) => planned([service("a")], injection).injections[0]!.add;
        assert.deepEqual(add({}), { kind: "header", name: "Authorization", prefix: "Bearer " });
        assert.deepEqual(add({ header: "X-Api-Key", scheme: "" }), { kind: "header", name: "X-Api-Key", prefix: "" });
        assert.deepEqual(planned([service("a")]).secret, { kind: "header", field: "api_key" });
        assert.deepEqual(planned([service("a")], { field: "data.token" }).secret, {
            kind: "header",
            field: "data.token",
        });
    });

    it("is a signature when binding or Service say region and service, the binding's word first", () => {
        const add = (injection: Partial<InjectionSpec>, change: Partial<ServiceSpec>) =>
            planned([service("a", change)], injection).injections[0]!.add;
        const signed = { kind: "sigv4", ...aws, bodyMax: 1_048_576 };
        assert.deepEqual(add({}, { aws }), signed);
        assert.deepEqual(add({ sigv4: { ...aws } }, {}), signed);
        assert.deepEqual(add({ sigv4: { region: "us-east-1", bodyLimit: 10 } }, { aws }), {
            kind: "sigv4",
            region: "us-east-1",
            service: "s3",
            bodyMax: 10,
        });
        assert.equal(add({ header: "Authorization" }, { aws }).kind, "header");
        assert.deepEqual(planned([service("a", { aws })]).secret, {
            kind: "sigv4",
            accessKeyField: "access_key",
            secretKeyField: "secret_key",
            sessionTokenField: "security_token",
        });
    });

    it("is refused when nobody says the region, or one binding mixes both kinds", () => {
        assert.throws(
            () => planned([service("a")], { sigv4: { service: "s3" } }),
            /AWS region\..*\[ServiceUnsuitable\]/,
        );
        assert.throws(
            () => planned([service("a"), service("b", { aws })]),
            /Services a and b, only one has its requests signed.*Make one binding for each/,
        );
    });

    it("trusts the certificates of the Service, and publishes nothing but certificates", () => {
        const caBundle = `# the lab\n${certificate}`;
        const order = planned([service("a", { caBundle }), service("b")]);
        const [store] = order.trust;
        assert.equal(order.trust.length, 1);
        assert.match(store!.name, /^[0-9a-f]{64}$/);
        assert.ok(!store!.pem.includes("the lab"));
        assert.deepEqual(
            order.injections.map(({ trust }) => trust),
            [store!.name, undefined],
        );
        for (const bad of ["x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", broken]) {
            assert.throws(() => planned([service("a", { caBundle: bad })]), /spec\.caBundle .*\[ServiceUnsuitable\]/);
        }
    });

    it("holds requests to the rules of allow: every method with every path", () => {
        const { rules } = planned([service("a")], {
            allow: [{ methods: ["GET", "POST"], pathPrefixes: ["/v1/a", "/v1/b"] }, { pathPrefixes: ["/health"] }],
        }).injections[0]!;
        assert.deepEqual(rules, [
            { method: "GET", path: "/v1/a" },
            { method: "GET", path: "/v1/b" },
            { method: "POST", path: "/v1/a" },
            { method: "POST", path: "/v1/b" },
            { path: "/health" },
        ]);
        assert.deepEqual(planned([service("a")]).injections[0]!.rules, []);
    });

    for (const [what, injection, property] of [
        ["a header that frames the message", { header: "Content-Length" }, "header"],
        ["Host as header", { header: "HOST" }, "header"],
        ["a header with a colon", { header: "X:" }, "header"],
        ["a scheme with a blank", { scheme: "Bearer x" }, "scheme"],
        ["a signature with a header", { sigv4: { ...aws }, header: "X" }, "sigv4"],
        ["a region in capitals", { sigv4: { region: "EU" } }, "sigv4.region"],
        ["a body limit of nothing", { sigv4: { ...aws, bodyLimit: 0 } }, "sigv4.bodyLimit"],
        ["no rule at all", { allow: [] }, "allow"],
        ["an empty rule", { allow: [{}] }, "allow[0]"],
        ["a method in small letters", { allow: [{ methods: ["post"] }] }, "allow[0].methods"],
        ["a path with a query", { allow: [{ pathPrefixes: ["/a?b"] }] }, "allow[0].pathPrefixes"],
        ["a path that climbs", { allow: [{ pathPrefixes: ["/a/../b"] }] }, "allow[0].pathPrefixes"],
        ["a path with an escape", { allow: [{ pathPrefixes: ["/a%2fb"] }] }, "allow[0].pathPrefixes"],
        ["a relative path", { allow: [{ pathPrefixes: ["a"] }] }, "allow[0].pathPrefixes"],
        [
            "too many rules",
            { allow: [{ methods: ["GET", "PUT"], pathPrefixes: Array.from({ length: 17 }, (_, i) => `/${i}`) }] },
            "allow",
        ],
    ] as [string, Partial<InjectionSpec>, string][]) {
        it(`refuses ${what}`, () => {
            assert.throws(
                () => planned([service("a")], injection),
                (error: RiptidesError) =>
                    error.code === "InvalidProperty" && error.property === `spec.propagation.injection.${property}`,
            );
        });
    }

    it("is always something that the module takes", () => {
        const name = fc.stringMatching(/^[A-Za-z0-9._*:-]{1,40}$/);
        const words = fc.array(fc.stringMatching(/^[A-Z]{1,15}$/), { minLength: 1, maxLength: 3 });
        const paths = fc.array(fc.stringMatching(/^\/[a-z0-9/._-]{0,20}$/), { minLength: 1, maxLength: 3 });
        const allow = fc.array(fc.record({ methods: words, pathPrefixes: paths }), { minLength: 1, maxLength: 3 });
        fc.assert(
            fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), allow, (names, rules) => {
                const addresses = names.map((address) => ({ address }));
                try {
                    const { injections } = planned([service("a", { addresses })], { allow: rules });
                    injections.forEach((injection) => encodeInjection(1n, key, injection));
                    const unique = new Set(injections.map(({ host, port }) => `${host}:${port}`));
                    assert.equal(unique.size, injections.length);
                } catch (error) {
                    assert.ok(error instanceof RiptidesError, String(error));
                }
            }),
        );
    });

    it("knows the names that a certificate can have", () => {
        assert.equal(dnsName("API.OpenAI.com."), "api.openai.com");
        assert.equal(dnsName("localhost"), "localhost");
        for (const bad of [
            "",
            ".",
            "a..b",
            "-a.b",
            "a.b-",
            "1.2.3.4",
            "::1",
            "a b",
            "*.x",
            "a_b.c",
            "a".repeat(64),
            "ü.de",
        ]) {
            assert.equal(dnsName(bad), undefined, bad);
        }
    });

    it("makes rules of what a program gives, without doubles", () => {
        assert.deepEqual(injectionRules([{ methods: ["GET", "GET"] }], "allow"), [{ method: "GET", path: "/" }]);
    });
});

const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
