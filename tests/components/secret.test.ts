// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import * as riptides from "../../components";
import { record } from "../../components/testing";
import { program } from "./program";

describe("secrets of a program", () => {
    it("stay secret though the program gives them in clear", async () => {
        const stack = await record(() => program());
        assert.deepEqual(stack.only("riptides:openai:Config").secrets, ["adminApiKey"]);
        assert.deepEqual(stack.only("riptides:node:HostAgent").secrets, ["cluster.token", "connection.privateKey"]);
    });

    it("do not hide their neighbours: host and server show in a preview", async () => {
        const stack = await record(() =>
            program({
                node: { connection: { host: "192.0.2.1", privateKey: pulumi.secret("k"), hostKey: "SHA256:x" } },
            }),
        );
        const { inputs, secrets } = stack.only("riptides:node:HostAgent");
        assert.deepEqual(secrets, ["cluster.token", "connection.privateKey"]);
        assert.equal((inputs.connection as { host: string }).host, "192.0.2.1");
    });

    it("are in no resource but the one that needs them", async () => {
        const stack = await record(() => program());
        const holders = (canary: string) =>
            stack.resources.filter(({ inputs }) => JSON.stringify(inputs).includes(canary)).map(({ type }) => type);
        assert.deepEqual(holders("canary-admin-key"), ["riptides:openai:Config"]);
        assert.deepEqual(holders("canary-ssh-key"), ["riptides:node:HostAgent"]);
        assert.deepEqual(holders("service-account-token"), ["kubernetes:core/v1:Secret", "riptides:node:HostAgent"]);
    });

    it("are named to the engine, in case an output repeats them", async () => {
        const stack = await record(() => {
            program();
            new riptides.Provider("p", { token: "t", kubeconfig: "k" });
        });
        assert.deepEqual(stack.only("riptides:openai:Config").additionalSecretOutputs, ["adminApiKey"]);
        assert.ok(stack.only("kubernetes:core/v1:Secret").additionalSecretOutputs.includes("data"));
        assert.deepEqual(stack.only("pulumi:providers:riptides").secrets, ["kubeconfig", "token"]);
    });
});
