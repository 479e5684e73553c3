// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import * as kubernetes from "@pulumi/kubernetes/provider";
import * as vault from "@pulumi/vault/provider";
import * as riptides from "../../components";
import { record, type Recording } from "../../components/testing";
import { program } from "./program";

const ours = (stack: Recording<unknown>) =>
    stack.resources.filter(({ custom, type }) => custom && !type.startsWith("pulumi:"));

describe("resource options of a component", () => {
    it("sends every child through the explicit provider of its package", async () => {
        const stack = await record(() => {
            const providers = [
                new vault.Provider("v", { address: "https://bao:8200" }),
                new kubernetes.Provider("k", {}),
                new riptides.Provider("r", {}),
            ];
            program({ opts: { providers } });
        });
        for (const { type, name, provider } of ours(stack)) {
            assert.match(provider, new RegExp(`pulumi:providers:${type.split(":")[0]}::`), name);
        }
    });

    it("protects every child", async () => {
        const stack = await record(() => program({ opts: { protect: true } }));
        assert.deepEqual(
            ours(stack).filter((resource) => !resource.protect),
            [],
        );
    });

    it("makes every child wait for what the component depends on", async () => {
        const stack = await record(() => {
            const first = new vault.Provider("first", { address: "https://bao:8200" });
            program({ opts: { dependsOn: [first] } });
        });
        const first = stack.only("pulumi:providers:vault").urn;
        // The engine orders a component's children by the component's own dependencies.
        for (const component of stack.resources.filter(({ custom, parent }) => !custom && parent === "")) {
            assert.ok(component.dependencies.includes(first), component.name);
        }
    });

    it("hands customTimeouts to the children that wait", async () => {
        const stack = await record(() => program({ opts: { customTimeouts: { create: "7m", update: "8m" } } }));
        for (const type of ["riptides:node:HostAgent", "riptides:index:BindingStatus"]) {
            assert.deepEqual(stack.only(type).customTimeouts, { create: "7m", update: "8m", delete: "" }, type);
        }
    });

    it("hands a component's aliases to the engine, which derives those of the children from the parent", async () => {
        const stack = await record(() => program({ opts: { aliases: [{ name: "before" }] } }));
        assert.equal(stack.only("riptides:components:OpenAIAccess").aliases, 1);
        const status = stack.only("riptides:index:BindingStatus");
        assert.equal(status.parent, stack.only("riptides:components:OpenAIAccess").urn);
    });

    it("lets a transformation reach every child", async () => {
        const seen: string[] = [];
        const stack = await record(() =>
            program({
                opts: {
                    transformations: [
                        ({ type, props, opts }) => {
                            seen.push(type);
                            return type === "vault:index/mount:Mount"
                                ? { props: { ...props, description: "ours" }, opts }
                                : undefined;
                        },
                    ],
                },
            }),
        );
        assert.equal(stack.only("vault:index/mount:Mount").inputs.description, "ours");
        assert.deepEqual(
            ours(stack).filter(({ type }) => !seen.includes(type)),
            [],
        );
    });

    it("warns of options that reach no child", async () => {
        const opts = { retainOnDelete: true, ignoreChanges: ["x"] } as pulumi.ComponentResourceOptions;
        const stack = await record(() => new riptides.RiptidesResources("r", {}, opts));
        assert.ok(stack.warnings.some((line) => line.includes("ignoreChanges, retainOnDelete")));
    });

    it("names its own version to the engine", async () => {
        const stack = await record(() => program());
        assert.match(stack.only("riptides:openai:Role").version, /^\d+\.\d+\.\d+/);
        assert.match(stack.only("kubernetes:core.riptides.io/v1alpha1:Service").version, /^\d+\.\d+\.\d+/);
    });

    it("registers components without inputs, so a changed field shows once, at the resource it changes", async () => {
        const stack = await record(() => program());
        const components = stack.resources.filter(({ custom }) => !custom);
        assert.ok(components.length >= 4);
        assert.deepEqual(
            components.filter(({ inputs }) => Object.keys(inputs).length > 0),
            [],
        );
    });

    it("keeps on the cluster what retain says", async () => {
        const kept = async (retain: riptides.RiptidesResourcesArgs["retain"]) => {
            const stack = await record(() => new riptides.RiptidesResources("r", { retain }));
            return ours(stack).filter(({ retainOnDelete }) => retainOnDelete).length;
        };
        assert.deepEqual([await kept("nothing"), await kept("definitions"), await kept("everything")], [0, 5, 6]);
    });
});
