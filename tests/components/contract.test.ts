// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import * as riptides from "../../components";
import { record } from "../../components/testing";
import { configurationFields } from "../../provider/configuration";
import type { Fields } from "../../provider/table";
import { tables } from "../../provider/tables";

type Make = new (name: string, args: never, opts?: pulumi.CustomResourceOptions) => pulumi.CustomResource;

const classes: Record<string, Make> = {
    "riptides:openai:Plugin": riptides.openai.Plugin,
    "riptides:openai:Config": riptides.openai.Config,
    "riptides:openai:Role": riptides.openai.Role,
    "riptides:node:HostAgent": riptides.node.HostAgent,
    "riptides:index:BindingStatus": riptides.BindingStatus,
};

/** A value for every field, so that nothing is left out. */
function sample(fields: Fields): Record<string, unknown> {
    return Object.fromEntries(
        Object.entries(fields).map(([key, { type }]) => [
            key,
            typeof type === "object" && "fields" in type ? sample(type.fields) : "x",
        ]),
    );
}

describe("classes of the provider's resources", () => {
    it("are there for each resource of the provider, and no more", () => {
        assert.deepEqual(Object.keys(classes).sort(), tables.map(({ token }) => token).sort());
    });

    for (const table of tables) {
        it(`${table.token} sends every input and has every output of the provider's table`, async () => {
            const stack = await record(() => new classes[table.token]!("x", sample(table.inputs) as never));
            const sent = stack.only(table.token);
            assert.deepEqual(Object.keys(sent.inputs).sort(), Object.keys(table.inputs).sort());
            const shown = Object.entries({ ...table.inputs, ...table.outputs }).filter(
                ([, field]) => !("writeOnly" in field && field.writeOnly),
            );
            for (const [key] of shown) {
                const output = (stack.result as unknown as Record<string, unknown>)[key];
                assert.ok(pulumi.Output.isInstance(output), `output ${key}`);
            }
        });

        it(`${table.token} marks as secret what the provider's table does`, async () => {
            const stack = await record(() => new classes[table.token]!("x", sample(table.inputs) as never));
            assert.deepEqual(stack.only(table.token).secrets, secretPaths(table.inputs));
        });
    }

    it("configure the provider with the fields it knows", async () => {
        const stack = await record(() => new riptides.Provider("p", sample(configurationFields)));
        const { inputs, secrets } = stack.only("pulumi:providers:riptides");
        assert.deepEqual(Object.keys(inputs).sort(), Object.keys(configurationFields).sort());
        assert.deepEqual(secrets, secretPaths(configurationFields));
    });
});

function secretPaths(fields: Fields, prefix = ""): string[] {
    return Object.entries(fields)
        .flatMap(([key, field]) => {
            const path = `${prefix}${key}`;
            if (field.secret || field.writeOnly) {
                return [path];
            }
            return typeof field.type === "object" && "fields" in field.type
                ? secretPaths(field.type.fields, `${path}.`)
                : [];
        })
        .sort();
}
