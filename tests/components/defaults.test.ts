// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import * as pulumi from "@pulumi/pulumi";
import * as riptides from "../../components";
import { currentCluster } from "../../components/kubeconfig";
import { engineRoleName, kubernetesName, objectName } from "../../components/names";
import { record } from "../../components/testing";
import { connection, program } from "./program";

const names = fc.stringMatching(/^[a-z][a-z0-9]{2,12}$/);

describe("defaults", function () {
    this.timeout(20_000);

    it("are shared by no two accesses: each keeps its own facts, in any order", async () => {
        await fc.assert(
            fc.asyncProperty(fc.uniqueArray(names, { minLength: 2, maxLength: 4 }), async (list) => {
                const stack = await record(() => {
                    const { engine, node } = program();
                    for (const name of list) {
                        new riptides.OpenAIAccess(`w${name}`, {
                            engine,
                            node,
                            projectId: `proj_${name}`,
                            process: { binaryPath: `/usr/bin/${name}` },
                            vaultAddress: "https://bao.example.org:8200",
                        });
                    }
                });
                const mine = (type: string, name: string) =>
                    stack.all(type).find((resource) => resource.name.startsWith(`w${name}-`))!.inputs;
                for (const name of list) {
                    const role = mine("vault:jwt/authBackendRole:AuthBackendRole", name);
                    assert.equal(role.boundSubject, `spiffe://example.org/w${name}`);
                    assert.deepEqual(role.tokenPolicies, [`read-w${name}-openai`]);
                    assert.equal(mine("riptides:openai:Role", name).projectId, `proj_${name}`);
                    const { selectors } = mine("kubernetes:core.riptides.io/v1alpha1:WorkloadIdentity", name).spec as {
                        selectors: unknown;
                    };
                    assert.deepEqual(selectors, [{ "process:binary:path": `/usr/bin/${name}` }]);
                }
                const paths = stack.all("vault:jwt/authBackend:AuthBackend").map(({ inputs }) => inputs.path);
                assert.equal(new Set(paths).size, paths.length);
            }),
            { numRuns: 5 },
        );
    });

    it("are names that the cluster and the engine take, whatever the component is called", () => {
        fc.assert(
            fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (name) => {
                fc.pre(/[a-z0-9]/i.test(name) && objectName(name).length >= 3);
                const stem = objectName(name);
                assert.equal(kubernetesName(`riptides-agent-${stem}-token`, "name").length <= 63, true);
                fc.pre(!["admin", "administrator", "root", "system", "openai"].includes(stem));
                assert.equal(engineRoleName(stem, "role"), stem);
            }),
        );
    });

    it("keep two long names apart", () => {
        const long = "x".repeat(60);
        assert.notEqual(objectName(`${long}1`), objectName(`${long}2`));
    });
});

describe("cluster of a node", () => {
    let folder: string;
    before(() => (folder = mkdtempSync(join(tmpdir(), "riptides-kubeconfig-"))));
    after(() => rmSync(folder, { recursive: true }));

    function kubeconfig(text: string): NodeJS.ProcessEnv {
        const file = join(folder, "config");
        writeFileSync(file, text);
        return { KUBECONFIG: file };
    }

    it("is that of the current context", () => {
        const environment = kubeconfig(`
current-context: two
contexts: [{name: one, context: {cluster: a}}, {name: two, context: {cluster: b}}]
clusters:
- {name: a, cluster: {server: "https://a", certificate-authority-data: QQ==}}
- {name: b, cluster: {server: "https://b", certificate-authority-data: Qg==}}
`);
        assert.deepEqual(currentCluster(environment), { server: "https://b", certificateAuthorityData: "Qg==" });
    });

    it("is asked for when there is no kubeconfig, no context or no authority", () => {
        const none = { KUBECONFIG: join(folder, "absent") };
        const empty = kubeconfig("");
        assert.throws(() => currentCluster(none), /cluster: there is no kubeconfig.*MissingProperty/);
        assert.throws(() => currentCluster(empty), /no cluster for its current context/);
        const bare = kubeconfig(
            'current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: "https://c"}}]',
        );
        assert.throws(() => currentCluster(bare), /cluster.certificateAuthorityData/);
    });

    it("takes an authority's file from beside the kubeconfig, and says when there is none", () => {
        const named = (file: string) =>
            kubeconfig(
                `current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n` +
                    `clusters: [{name: c, cluster: {server: "https://c", certificate-authority: ${file}}}]`,
            );
        writeFileSync(join(folder, "ca.pem"), "PEM");
        assert.equal(currentCluster(named("ca.pem")).certificateAuthorityData, Buffer.from("PEM").toString("base64"));
        assert.throws(
            () => currentCluster(named("absent.pem")),
            /cluster\.certificateAuthorityData: .*absent\.pem cannot be read.*\[InvalidProperty\]/,
        );
    });

    it("is never a loopback address of the program's own machine", () => {
        const local = kubeconfig(
            `current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n` +
                `clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: QQ==}}]`,
        );
        assert.throws(() => currentCluster(local), /cluster\.server: .*loopback.*\[MissingProperty\]/);
    });

    it("never quotes a kubeconfig that it cannot read", () => {
        const broken = kubeconfig("users:\n- {token: canary-token\n");
        assert.throws(
            () => currentCluster(broken),
            (error: Error) => !error.message.includes("canary") && error.message.includes("cluster"),
        );
    });

    it("is not guessed when an explicit provider may speak to another one", async () => {
        const stack = await record(() => {
            const kubernetes = require("@pulumi/kubernetes/provider") as typeof import("@pulumi/kubernetes/provider");
            const providers: pulumi.ProviderResource[] = [new kubernetes.Provider("k", {})];
            try {
                new riptides.HostNodeAgent("n", { connection }, { providers });
                return undefined;
            } catch (error) {
                return error as riptides.RiptidesError;
            }
        });
        assert.equal(stack.result?.property, "cluster");
    });
});

describe("address of OpenBao for a node", () => {
    const saved = process.env["VAULT_ADDR"];
    afterEach(() => {
        if (saved === undefined) {
            delete process.env["VAULT_ADDR"];
        } else {
            process.env["VAULT_ADDR"] = saved;
        }
    });

    async function addressFor(environment: string): Promise<unknown> {
        process.env["VAULT_ADDR"] = environment;
        const stack = await record(() => program({ access: { vaultAddress: undefined } }));
        const { vault } = stack.only("kubernetes:core.riptides.io/v1alpha1:CredentialSource").inputs.spec as {
            vault: { address: string };
        };
        return vault.address;
    }

    it("is the environment's when none is given", async () => {
        assert.equal(await addressFor("https://bao.example.org:8200/"), "https://bao.example.org:8200");
    });

    it("is never a loopback address of the program's own machine", async () => {
        for (const loopback of ["http://127.0.0.1:8200", "http://localhost:8200", "https://[::1]:8200"]) {
            await assert.rejects(addressFor(loopback), /vaultAddress: .*loopback.*MissingProperty/);
        }
    });
});
