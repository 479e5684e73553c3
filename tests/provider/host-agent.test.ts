// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RiptidesError } from "../../api";
import type { Bundle } from "../../provider/host-agent/bundle";
import { HostAgent } from "../../provider/host-agent/controller";
import { computed, PartialFailure, type Context, type PropertyMap, type ReadResult } from "../../provider/protocol";
import { fakeBundle, NodeDirectory, type FakeBundleOptions } from "../fakes/node-directory";
import { newKeys } from "../fakes/ssh-server";

const keys = newKeys();
const token = "cluster-token-canary";
const program = {
    connection: { host: "gpu-1", privateKey: keys.private, hostKey: newKeys().public },
    trustDomain: "example.org",
    namespace: "riptides-system",
    cluster: {
        server: "https://10.0.2.2:6443",
        certificateAuthorityData: Buffer.from("-----BEGIN CERTIFICATE-----\n").toString("base64"),
        token,
    },
};

describe("provider/host-agent: a node", () => {
    let directory: string;
    let node: NodeDirectory;
    let bundle: Bundle;
    let connections: number;
    let unreachable: boolean;
    let logs: string[];
    let rows: string[];
    let resource: HostAgent;
    let state: { id: string; inputs: PropertyMap; outputs: PropertyMap } | undefined;

    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "riptides-bundle-"));
        node = new NodeDirectory();
        bundle = fakeBundle(directory);
        connections = 0;
        unreachable = false;
        logs = [];
        rows = [];
        state = undefined;
        resource = new HostAgent({
            openBundle: async () => bundle,
            connect: async () => {
                connections++;
                if (unreachable) {
                    throw new RiptidesError("NodeUnreachable", { reason: "gpu-1:22 cannot be reached by SSH" });
                }
                return node;
            },
        });
    });
    afterEach(() => {
        node.dispose();
        rmSync(directory, { recursive: true });
    });

    const context = (preview = false): Context => ({
        urn: "urn:pulumi:dev::p::riptides:node:HostAgent::gpu-1",
        type: "riptides:node:HostAgent",
        name: "gpu-1",
        preview,
        signal: new AbortController().signal,
        cancelled: new AbortController().signal,
        log: (_severity, message) => logs.push(message),
        status: (message) => rows.push(message),
    });
    const check = async (inputs: object): Promise<PropertyMap> => {
        const result = await resource.check(
            {
                olds: state?.inputs,
                news: inputs as PropertyMap,
                secrets: new Set(),
                randomSeed: new Uint8Array(),
            },
            context(),
        );
        assert.deepEqual(result.failures ?? [], []);
        return result.inputs;
    };
    const diff = async (inputs: object = program) => {
        const news = await check(inputs);
        return resource.diff({
            id: state!.id,
            olds: state!.outputs,
            oldInputs: state!.inputs,
            news,
            ignoreChanges: [],
        });
    };
    const changes = async (inputs?: object) => [...(await diff(inputs)).changes.keys()];
    const up = async (inputs: object = program): Promise<PropertyMap> => {
        const news = await check(inputs);
        try {
            if (state) {
                const request = { id: state.id, olds: state.outputs, oldInputs: state.inputs, news, ignoreChanges: [] };
                const { outputs } = await resource.update(request, context());
                state = { id: state.id, inputs: news, outputs };
            } else {
                const { id, outputs } = await resource.create({ inputs: news }, context());
                state = { id: id!, inputs: news, outputs };
            }
        } catch (error) {
            if (error instanceof PartialFailure) {
                state = { id: error.id, inputs: error.result.inputs!, outputs: error.result.outputs };
            }
            throw error;
        }
        return state.outputs;
    };
    const refresh = async (): Promise<ReadResult | undefined> => {
        const result = await resource.read({ id: state!.id, olds: state!.outputs, inputs: state!.inputs }, context());
        if (result) {
            state = { id: result.id, inputs: result.inputs, outputs: result.outputs };
        }
        return result;
    };
    const destroy = () => resource.delete({ id: state!.id, olds: state!.outputs, oldInputs: state!.inputs }, context());
    const failure = async (run: Promise<unknown>): Promise<Error> =>
        run.then(
            () => assert.fail("it succeeded"),
            (error: Error) => error,
        );
    const use = (options: FakeBundleOptions) => (bundle = fakeBundle(directory, options));

    describe("that is clean", () => {
        it("gets files, module, identity, token and the running agent, in this order", async () => {
            const outputs = await up();
            assert.deepEqual(node.takeLog(), [
                "put /usr/lib/riptides/manifest.json",
                "put /usr/lib/riptides/bin/node",
                "put /usr/lib/riptides/kmod/riptides.ko",
                "put /usr/lib/riptides/agent.js",
                "put /etc/systemd/system/riptides-agent.service",
                "put /etc/riptides/agent.json",
                "insmod",
                "agent init",
                "seal --name=cluster",
                "systemctl daemon-reload",
                "systemctl enable",
                "systemctl restart",
                "put /usr/lib/riptides/manifest.json",
            ]);
            assert.match(String(outputs["agentId"]), /^[0-9a-f-]{36}$/);
            assert.equal(state!.id, outputs["agentId"]);
            assert.equal(outputs["workloadId"], `riptides/daemon/${state!.id}`);
            assert.match(String(outputs["publicKey"]), /^-----BEGIN PUBLIC KEY-----\n[0-9a-f]{16}$/);
            const { hostname, kernelRelease, moduleVersion, agentVersion, bundleSha256, condition } = outputs;
            assert.deepEqual(
                { hostname, kernelRelease, moduleVersion, agentVersion, bundleSha256, condition },
                {
                    hostname: "gpu-1",
                    kernelRelease: "6.12.1-fake",
                    moduleVersion: "0.1.0",
                    agentVersion: "0.1.0",
                    bundleSha256: bundle.sha256,
                    condition: "running",
                },
            );
            const configuration = JSON.parse(node.read("/etc/riptides/agent.json")) as Record<string, unknown>;
            assert.equal(configuration["agentId"], state!.id);
            assert.equal(configuration["trustDomain"], "example.org");
        });

        it("sees the token on standard input only, and never in a file, a script or a row", async () => {
            await up();
            assert.deepEqual(node.inputs, [token]);
            const texts = [...node.files().map((path) => node.read(path)), ...node.scripts, ...rows, ...logs];
            for (const secret of [token, keys.private.split("\n")[1]!]) {
                assert.ok(texts.every((text) => !text.includes(secret)));
            }
        });

        it("has progress rows of seven steps", async () => {
            await up();
            const numbers = rows.map((row) => /^\[(\d)\/7\]/.exec(row)?.[1]).filter(Boolean);
            assert.deepEqual([...new Set(numbers)], ["1", "2", "3", "4", "5", "6", "7"]);
        });

        it("is not touched by a preview, which needs no connection", async () => {
            const inputs = await check(program);
            const { id, outputs } = await resource.create({ inputs }, context(true));
            assert.equal(id, "");
            assert.equal(outputs["agentId"], computed);
            assert.equal(outputs["bundleSha256"], bundle.sha256);
            assert.equal(connections, 0);
        });

        it("gets a module built from the sources when there is none for its kernel", async () => {
            use({ module: false, sources: "\0version=0.1.0\0srcversion=BUILT\0" });
            node.write("/lib/modules/6.12.1-fake/build/Makefile", "");
            const outputs = await up();
            assert.equal(outputs["moduleVersion"], "0.1.0");
            assert.equal(node.read("/sys/module/riptides/srcversion").trim(), "BUILT");
            assert.ok(!node.has("/usr/lib/riptides/kmod/source"));
            assert.ok(node.takeLog().some((line) => line.startsWith("make -s KDIR=")));
            state!.inputs["trustDomain"] = "old.example.org";
            await up();
            assert.ok(node.takeLog().every((line) => !line.startsWith("make")));
        });

        it("says what the compiler said", async () => {
            use({ module: false, sources: "int x" });
            node.write("/lib/modules/6.12.1-fake/build/Makefile", "");
            node.write("fail-make", "main.c:1: error: expected ';'");
            const error = await failure(up());
            assert.match(error.message, /could not be built for 6\.12\.1-fake.*expected ';'.*\[KernelUnsupported\]/s);
        });
    });

    describe("that is in order", () => {
        beforeEach(async () => {
            await up();
            node.takeLog();
        });

        it("shows no change, and a run without one restarts nothing", async () => {
            assert.deepEqual(await changes(), []);
            const before = state!.outputs;
            // The engine calls update without a change only after a failure.
            await up();
            assert.deepEqual(node.takeLog(), ["put /usr/lib/riptides/manifest.json"]);
            assert.deepEqual(state!.outputs, before);
        });

        it("refreshes to what it was", async () => {
            const before = structuredClone(state!);
            await refresh();
            assert.deepEqual(state, before);
            assert.deepEqual(await changes(), []);
        });

        it("is not contacted for new credentials of the connection", async () => {
            const connection = { ...program.connection, privateKey: newKeys().private, user: "admin" };
            assert.deepEqual((await changes({ ...program, connection })).sort(), [
                "connection.privateKey",
                "connection.user",
            ]);
            connections = 0;
            const before = state!.outputs["publicKey"];
            await up({ ...program, connection });
            assert.equal(connections, 0);
            assert.equal(state!.outputs["publicKey"], before);
        });

        it("is replaced when the host or port is another one", async () => {
            const moved = { ...program, connection: { ...program.connection, host: "gpu-2", port: 2222 } };
            const result = await diff(moved);
            assert.deepEqual(
                [...result.changes].map(([path, { replace }]) => [path, replace]),
                [
                    ["connection.host", true],
                    ["connection.port", true],
                ],
            );
        });

        it("gets a new token sealed, and the agent restarted", async () => {
            const cluster = { ...program.cluster, token: "new-token" };
            assert.deepEqual(await changes({ ...program, cluster }), ["cluster.token"]);
            await up({ ...program, cluster });
            const log = node.takeLog();
            assert.ok(log.includes("seal --name=cluster") && log.includes("systemctl restart"));
            assert.equal(node.inputs.at(-1), "new-token");
            assert.ok(!log.includes("put /etc/riptides/agent.json"));
        });

        it("gets a new agent without losing a key: the module stays", async () => {
            use({ agent: "0.2.0" });
            const result = await diff();
            assert.deepEqual([...result.changes.keys()], ["bundleSha256"]);
            assert.ok(["agentId", "publicKey", "workloadId"].every((name) => result.stables!.includes(name)));
            const { agentId, publicKey } = state!.outputs;
            await up();
            const log = node.takeLog();
            assert.ok(log.includes("put /usr/lib/riptides/agent.js") && log.includes("systemctl restart"));
            for (const never of [
                "rmmod",
                "agent drain",
                "agent init",
                "seal --name=cluster",
                "put /usr/lib/riptides/bin/node",
            ]) {
                assert.ok(!log.includes(never), never);
            }
            assert.deepEqual([state!.outputs["agentId"], state!.outputs["publicKey"]], [agentId, publicKey]);
            assert.equal(state!.outputs["agentVersion"], "0.2.0");
        });

        it("foresees the versions of an upgrade, and nothing else", async () => {
            use({ agent: "0.2.0", module: { version: "0.2.0", source: "BBB" } });
            const news = await check(program);
            const request = { id: state!.id, olds: state!.outputs, oldInputs: state!.inputs, news, ignoreChanges: [] };
            connections = 0;
            const { outputs } = await resource.update(request, context(true));
            assert.deepEqual(outputs, {
                ...state!.outputs,
                bundleSha256: bundle.sha256,
                agentVersion: "0.2.0",
                moduleVersion: "0.2.0",
            });
            assert.equal(connections, 0);
        });

        it("revokes its keys before its module is replaced", async () => {
            use({ module: { version: "0.2.0", source: "BBB" } });
            await up();
            const log = node.takeLog().filter((line) => !line.startsWith("put"));
            assert.deepEqual(log, [
                "systemctl stop",
                "agent drain",
                "rmmod",
                "insmod",
                "systemctl daemon-reload",
                "systemctl enable",
                "systemctl restart",
            ]);
            assert.equal(state!.outputs["moduleVersion"], "0.2.0");
        });

        it("keeps module and agent when the keys cannot be revoked", async () => {
            use({ module: { version: "0.2.0", source: "BBB" } });
            const line = { level: "error", code: "VaultSealed", reason: "OpenBao is sealed", message: "x" };
            node.write("fail-drain", `${JSON.stringify(line)}\n`);
            const error = await failure(up());
            assert.match(error.message, /could not be revoked, so nothing was taken away: OpenBao is sealed/);
            assert.equal(node.read("active").trim(), "active");
            assert.equal(node.read("/sys/module/riptides/version").trim(), "0.1.0");
            node.remove("fail-drain");
            await up();
            assert.equal(state!.outputs["moduleVersion"], "0.2.0");
        });

        it("is removed whole, keys first, and removing it again does nothing", async () => {
            await destroy();
            assert.deepEqual(
                node.takeLog().filter((line) => !line.startsWith("put")),
                ["systemctl stop", "agent drain", "rmmod", "systemctl disable", "systemctl daemon-reload"],
            );
            assert.deepEqual(node.files(), []);
            await destroy();
            assert.deepEqual(node.takeLog(), []);
            assert.equal(await refresh(), undefined);
        });

        it("is removed even when its cluster is gone", async () => {
            const line = { level: "error", code: "ClusterUnreachable", reason: "no route", message: "x" };
            node.write("fail-drain", `${JSON.stringify(line)}\n`);
            await destroy();
            assert.deepEqual(node.files(), []);
            assert.match(logs.join(), /Daemon object stays in the cluster: no route/);
        });

        it("is removed keys first even when its token for the cluster is gone", async () => {
            node.remove("/var/lib/riptides/cluster.cred");
            await destroy();
            assert.deepEqual(
                node.takeLog().filter((line) => /drain|rmmod/.test(line)),
                ["agent drain", "rmmod"],
            );
            assert.deepEqual(node.files(), []);
        });

        it("is left alone when keys cannot be revoked", async () => {
            const line = { level: "error", code: "VaultUnreachable", reason: "no OpenBao", message: "x" };
            node.write("fail-drain", `${JSON.stringify(line)}\n`);
            assert.match((await failure(destroy())).message, /nothing was taken away: no OpenBao/);
            assert.equal(node.read("active").trim(), "active");
            assert.equal((await refresh())!.outputs["condition"], "running");
        });

        it("that is unreachable is not deleted, and the message shows the ways out", async () => {
            unreachable = true;
            const error = await failure(destroy());
            assert.match(error.message, /pulumi state delete.*retainOnDelete/s);
            await assert.rejects(refresh(), /cannot be reached/);
        });

        it("belongs to the resource that installed it last", async () => {
            const first = state!;
            state = undefined;
            await up();
            assert.match(logs.join(), /carries the agent .* already; it is taken over/);
            assert.equal(state!.id, first.id);
            assert.equal(state!.outputs["publicKey"], first.outputs["publicKey"]);
            const files = node.files();
            await resource.delete({ id: first.id, olds: first.outputs, oldInputs: first.inputs }, context());
            assert.deepEqual(node.files(), files);
            assert.match(logs.join(), /installed anew by another resource/);
        });

        for (const [what, spoil, expected] of [
            ["a stopped agent", () => node.write("active", "inactive"), /riptides-agent\.service is inactive/],
            ["a disabled unit", () => node.remove("enabled"), /is not enabled/],
            [
                "a removed unit",
                () => node.remove("/etc/systemd/system/riptides-agent.service"),
                /riptides-agent\.service is missing/,
            ],
            [
                "a changed program",
                () => node.write("/usr/lib/riptides/agent.js", "evil"),
                /agent\.js is not the one installed/,
            ],
            ["another module", () => node.write("/sys/module/riptides/srcversion", "ZZZ\n"), /another module/],
            ["a module that is gone", () => node.remove("/sys/module/riptides"), /module is not loaded/],
            ["a token that is gone", () => node.remove("/var/lib/riptides/cluster.cred"), /token is missing/],
        ] as const) {
            it(`shows ${what} as drift, and the next up repairs it`, async () => {
                spoil();
                await refresh();
                assert.match(String(state!.inputs["condition"]), expected);
                assert.deepEqual(await changes(), ["condition"]);
                await up();
                assert.equal((await refresh())!.inputs["condition"], "running");
                assert.deepEqual(await changes(), []);
            });
        }

        it("shows a configuration changed by hand as drift of its very field", async () => {
            const text = node.read("/etc/riptides/agent.json").replace("example.org", "other.org");
            node.write("/etc/riptides/agent.json", text);
            await refresh();
            assert.equal(state!.inputs["trustDomain"], "other.org");
            assert.deepEqual((await changes()).sort(), ["condition", "trustDomain"]);
            await up();
            assert.match(node.read("/etc/riptides/agent.json"), /example\.org/);
        });

        it("does not promise the public key when the private one is gone", async () => {
            node.remove("/var/lib/riptides/identity.cred");
            await refresh();
            assert.ok(!(await diff()).stables!.includes("publicKey"));
            const before = state!.outputs["publicKey"];
            await up();
            assert.notEqual(state!.outputs["publicKey"], before);
        });

        it("is gone when nothing of it is left, and up makes it anew", async () => {
            for (const path of ["/usr/lib/riptides", "/etc/riptides", "/var/lib/riptides", "/sys/module/riptides"]) {
                node.remove(path);
            }
            node.remove("/etc/systemd/system/riptides-agent.service");
            assert.equal(await refresh(), undefined);
        });
    });

    describe("on which the installation fails", () => {
        for (const [what, spoil, mend, message] of [
            [
                "sealing",
                () => node.write("fail-seal", ""),
                () => node.remove("fail-seal"),
                /sealing the cluster token on gpu-1 \(test\) ended with code 1: no key/,
            ],
            [
                "loading the module",
                () => node.write("fail-insmod", "insmod: ERROR: could not insert module: Key was rejected by service"),
                () => node.remove("fail-insmod"),
                /Key was rejected by service.*\[KernelLockdown\]/s,
            ],
            [
                "the connection",
                () => {
                    node.beforeRun = (script) => {
                        if (script.includes("agent.js init")) {
                            throw new RiptidesError("NodeUnreachable", { reason: "the connection was lost" });
                        }
                    };
                },
                () => (node.beforeRun = () => undefined),
                /connection was lost/,
            ],
        ] as const) {
            it(`in ${what} is continued by the next up, with the same identity`, async () => {
                spoil();
                const error = await failure(up());
                assert.match(error.message, message);
                assert.ok(error instanceof PartialFailure);
                const { id } = state!;
                assert.equal(state!.inputs["condition"], "the installation is incomplete");
                node.takeLog();
                mend();
                await up();
                assert.equal(state!.id, id);
                assert.equal(state!.outputs["agentId"], id);
                assert.ok(!node.takeLog().includes("put /usr/lib/riptides/bin/node"));
                assert.deepEqual(await changes(), []);
                await refresh();
                assert.deepEqual(await changes(), []);
            });

            it(`in ${what} can be destroyed`, async () => {
                spoil();
                await failure(up());
                mend();
                await destroy();
                assert.deepEqual(node.files(), []);
            });
        }

        it("in the agent's start says what the agent says of itself", async () => {
            node.write("fail-start", "");
            node.write("status", "waiting for the cluster: certificate has expired");
            const error = await failure(up());
            assert.match(error.message, /\(auto-restart\).*: waiting for the cluster: certificate has expired/);
            assert.match(error.message, /\[AgentNotReady\]/);
        });

        it("in the agent's start shows the last error of a journal", async () => {
            node.write("fail-start", "");
            const line = { level: "error", code: "KernelModule", reason: "abi 2, wanted 1", message: "x" };
            node.write("journal", `${JSON.stringify(line)}\nMain process exited\n`);
            assert.match((await failure(up())).message, /: abi 2, wanted 1\. .*\[AgentNotReady\]$/);
        });

        it("in the agent's start shows the end of a journal without secrets and control characters", async () => {
            node.write("fail-start", "");
            node.write(
                "journal",
                `\u001b[31mtoken eyJhbGciOiJFUzI1NiJ9.e30.abc\u001b[0m\nsk-abcdefghijklmnop\nkilled\n`,
            );
            const error = await failure(up());
            assert.match(error.message, /Its journal ends:\ntoken \[secret\]\n\[secret\]\nkilled\n/);
        });
    });

    describe("that is unsuitable", () => {
        it("is told of everything at once, and nothing is installed", async () => {
            node.write("/proc/1/comm", "runit\n");
            node.write("uid", "1000");
            use({ module: false });
            const error = await failure(up());
            assert.ok(!(error instanceof PartialFailure));
            assert.match(error.message, /3 reasons; nothing was installed/);
            assert.match(error.message, /1\. connection\.user: root is not root/);
            assert.match(error.message, /2\. process 1 is runit, not systemd/);
            assert.match(
                error.message,
                /3\. moduleDir: there is no prebuilt module for the kernel 6\.12\.1-fake.*headers/,
            );
            assert.deepEqual(node.files(), []);
        });

        for (const [what, spoil] of [
            ["lockdown", () => node.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")],
            ["enforced signatures", () => node.write("/sys/module/module/parameters/sig_enforce", "Y\n")],
        ] as const) {
            it(`by ${what} is refused before anything is installed, unless the module is signed`, async () => {
                spoil();
                const error = await failure(up());
                assert.match(error.message, /^moduleDir: gpu-1.*is not signed.*\[KernelLockdown\]$/s);
                assert.deepEqual(node.takeLog(), []);
                use({ module: { version: "0.1.0", source: "AAA", signed: true } });
                await up();
                assert.equal(state!.outputs["condition"], "running");
            });
        }
    });

    describe("in a program", () => {
        it("has defaults and canonical values", async () => {
            const inputs = await check({ ...program, readyTimeout: 90 });
            const connection = inputs["connection"] as PropertyMap;
            assert.deepEqual([connection["port"], connection["user"]], [22, "root"]);
            assert.equal(inputs["readyTimeout"], "1m30s");
        });

        it("may have values that are not known yet", async () => {
            const inputs = await check({ ...program, connection: { ...program.connection, host: computed } });
            assert.equal(inputs["bundleSha256"], bundle.sha256);
        });

        for (const [property, over] of [
            ["connection.hostKey", { connection: { ...program.connection, hostKey: "trust me" } }],
            ["connection.hostKey", { connection: { ...program.connection, hostKey: undefined } }],
            ["connection.port", { connection: { ...program.connection, port: 70000 } }],
            ["cluster.server", { cluster: { ...program.cluster, server: "http://10.0.2.2" } }],
            ["cluster.certificateAuthorityData", { cluster: { ...program.cluster, certificateAuthorityData: "PEM" } }],
            ["cluster.token", { cluster: { ...program.cluster, token: "two words" } }],
            ["trustDomain", { trustDomain: "Example.org" }],
            ["readyTimeout", { readyTimeout: "soon" }],
        ] as const) {
            it(`with a wrong ${property} fails its check, naming the property`, async () => {
                const news = { ...program, ...over } as unknown as PropertyMap;
                const request = { olds: undefined, news, secrets: new Set<string>(), randomSeed: new Uint8Array() };
                const { failures } = await resource.check(request, context());
                assert.deepEqual(
                    failures!.map((each) => each.property),
                    [property],
                );
                assert.ok(failures!.every(({ reason }) => !reason.includes(token)));
            });
        }

        it("ignores a changed bundle when told so", async () => {
            await up();
            use({ agent: "0.2.0" });
            const news = await check({ ...program, bundleSha256: state!.inputs["bundleSha256"] });
            const { changes: found } = resource.diff({
                id: state!.id,
                olds: state!.outputs,
                oldInputs: state!.inputs,
                news,
                ignoreChanges: ["bundleSha256"],
            });
            assert.deepEqual([...found.keys()], []);
        });
    });
});
