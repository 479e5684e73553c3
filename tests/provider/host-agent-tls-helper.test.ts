// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bundle } from "../../provider/host-agent/bundle";
import { HostAgent } from "../../provider/host-agent/controller";
import { PartialFailure, type Context, type PropertyMap } from "../../provider/protocol";
import { fakeBundle, NodeDirectory, type FakeBundleOptions } from "../fakes/node-directory";
import { newKeys } from "../fakes/ssh-server";

const program = "/usr/lib/riptides/bin/riptides-tls";
const unit = "/etc/systemd/system/riptides-tls.service";

describe("provider/host-agent: the TLS helper", () => {
    let directory: string;
    let node: NodeDirectory;
    let bundle: Bundle;
    let logs: string[];
    let resource: HostAgent;
    let state: { id: string; inputs: PropertyMap; outputs: PropertyMap } | undefined;
    const news = {
        connection: { host: "gpu-1", privateKey: newKeys().private, hostKey: newKeys().public },
        trustDomain: "example.org",
        namespace: "riptides-system",
        cluster: { server: "https://10.0.2.2:6443", certificateAuthorityData: "Y2VydA==", token: "cluster-token" },
    };

    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "riptides-bundle-"));
        node = new NodeDirectory();
        logs = [];
        state = undefined;
        use({ helper: { program: "helper one", sources: "source one" } });
        resource = new HostAgent({ openBundle: async () => bundle, connect: async () => node });
    });
    afterEach(() => {
        node.dispose();
        rmSync(directory, { recursive: true });
    });

    const use = (options: FakeBundleOptions) => (bundle = fakeBundle(directory, options));
    const context: Context = {
        urn: "urn:pulumi:dev::p::riptides:node:HostAgent::gpu-1",
        type: "riptides:node:HostAgent",
        name: "gpu-1",
        preview: false,
        signal: new AbortController().signal,
        cancelled: new AbortController().signal,
        log: (_severity, message) => logs.push(message),
        status: () => undefined,
    };
    /** Installs or updates; answers what was done on the node. */
    const up = async (): Promise<string[]> => {
        node.takeLog();
        const request = { olds: state?.inputs, news, secrets: new Set<string>(), randomSeed: new Uint8Array() };
        const { inputs } = await resource.check(request as never, context);
        try {
            if (state) {
                const { id, inputs: oldInputs, outputs: olds } = state;
                const update = { id, olds, oldInputs, news: inputs, ignoreChanges: [] };
                state = { id, inputs, outputs: (await resource.update(update, context)).outputs };
            } else {
                const { id, outputs } = await resource.create({ inputs }, context);
                state = { id: id!, inputs, outputs };
            }
        } catch (error) {
            if (error instanceof PartialFailure) {
                state = { id: error.id, inputs: error.result.inputs!, outputs: error.result.outputs };
            }
            throw error;
        }
        return node.takeLog().filter((line) => !line.includes("manifest.json"));
    };
    const condition = async (): Promise<string> => {
        const { id, inputs, outputs: olds } = state!;
        const result = await resource.read({ id, olds, inputs }, context);
        return String(result!.outputs["condition"] ?? result!.inputs["condition"]);
    };
    const destroy = () => resource.delete({ id: state!.id, olds: state!.outputs, oldInputs: state!.inputs }, context);

    it("is installed and started after the module and before the agent", async () => {
        const log = await up();
        const order = [
            `put ${unit}`,
            `put ${program}`,
            "insmod",
            "systemctl enable riptides-tls",
            "systemctl restart riptides-tls",
            "systemctl restart",
        ];
        assert.deepEqual(
            log.filter((line) => order.includes(line)),
            order,
        );
        assert.equal(node.read(program), "helper one");
        assert.equal(await condition(), "running");
        assert.deepEqual(logs, []);
    });

    it("is replaced in place, without touching module, keys or agent", async () => {
        await up();
        use({ helper: { program: "helper two", sources: "source two" } });
        assert.deepEqual(await up(), [
            `put ${program}`,
            "systemctl daemon-reload",
            "systemctl enable riptides-tls",
            "systemctl restart riptides-tls",
        ]);
        assert.equal(await condition(), "running");
        assert.deepEqual(await up(), []);
    });

    it("is out of the way while the module is replaced", async () => {
        await up();
        use({ module: { version: "0.2.0", source: "BBB" }, helper: { program: "helper one", sources: "source one" } });
        const log = (await up()).filter((line) => /mod$|systemctl (stop|restart)|drain/.test(line));
        assert.deepEqual(log, [
            "systemctl stop",
            "agent drain",
            "systemctl stop riptides-tls",
            "rmmod",
            "insmod",
            "systemctl restart riptides-tls",
            "systemctl restart",
        ]);
    });

    it("is built on a node for whose architecture there is none, once", async () => {
        use({ helper: { sources: "built on the node" } });
        node.write(
            "/usr/include/openssl/opensslv.h",
            "# define OPENSSL_VERSION_MAJOR  3\n# define OPENSSL_VERSION_MINOR  2\n# define OPENSSL_VERSION_PATCH  1\n",
        );
        assert.ok((await up()).includes("make -s"));
        assert.equal(node.read(program), "built on the node");
        assert.ok(!node.has("/usr/lib/riptides/helper-source"));
        assert.equal(await condition(), "running");
        assert.deepEqual(await up(), []);
        use({ helper: { sources: "built anew" } });
        assert.ok((await up()).includes("systemctl restart riptides-tls"));
        assert.equal(node.read(program), "built anew");
    });

    for (const [what, change, reason] of [
        [
            "whose kernel has no TLS",
            () => node.write("/proc/sys/net/ipv4/tcp_available_ulp", "mptcp\n"),
            /: the kernel 6\.12\.1-fake has no TLS/,
        ],
        [
            "that can neither be given nor build one",
            () => {
                use({ helper: { sources: "source" } });
                node.write(
                    "/usr/include/openssl/opensslv.h",
                    "# define OPENSSL_VERSION_MAJOR  3\n# define OPENSSL_VERSION_MINOR  0\n",
                );
            },
            /holds no riptides-tls for x86_64.*lacks the headers of OpenSSL 3\.2 or later$/,
        ],
    ] as const) {
        it(`is left out with a warning on a node ${what}, and the agent is installed`, async () => {
            change();
            const log = await up();
            assert.ok(log.includes("systemctl restart") && !log.some((line) => line.includes("riptides-tls")));
            assert.ok(!node.has(program) && !node.has(unit));
            assert.match(logs.join("\n"), reason);
            assert.match(logs.join("\n"), /delivered as files but not injected/);
            assert.equal(await condition(), "running");
        });
    }

    it("is not missed in a bundle that has none, and goes when it was there before", async () => {
        await up();
        use({});
        assert.deepEqual(await up(), ["systemctl disable riptides-tls", "systemctl daemon-reload"]);
        assert.ok(!node.has(program) && !node.has(unit));
        assert.equal(await condition(), "running");
        assert.deepEqual(logs, []);
    });

    for (const [what, spoil, expected] of [
        ["that has stopped", () => node.write("active-tls", "failed"), "riptides-tls.service is failed"],
        ["that is disabled", () => node.remove("enabled-tls"), "riptides-tls.service is not enabled"],
        ["that was changed", () => node.write(program, "evil"), `${program} is not the one installed`],
        ["without its unit", () => node.remove(unit), "riptides-tls.service is missing"],
    ] as const) {
        it(`${what} is drift, and the next up repairs it without touching the agent`, async () => {
            await up();
            spoil();
            assert.ok((await condition()).includes(expected));
            state!.inputs["condition"] = expected;
            assert.ok(!(await up()).includes("systemctl restart"));
            assert.equal(await condition(), "running");
        });
    }

    it("that does not start fails the installation with its own words, and can be removed", async () => {
        node.write("fail-start-tls", "");
        node.write("journal", "<3>/dev/riptides-tls: EBUSY: Device or resource busy\n");
        await assert.rejects(up(), /the TLS helper on gpu-1 \(test\) did not start: Job failed.*EBUSY/s);
        await destroy();
        assert.deepEqual(node.files(), []);
    });

    it("and the module are removed once a bound process has closed its connections", async () => {
        await up();
        node.write("hold-module", "3");
        await destroy();
        assert.deepEqual(node.files(), []);
    });

    it("and the agent run again when connections hold the module, and the error names who has them", async () => {
        await up();
        node.write("hold-module", "1000");
        node.write(
            "/proc/riptides/connections",
            "pid=41 comm=ai-agent workload=- binding=- host=- peer=[::1]:443 state=pass\npid=41 comm=ai-agent workload=- \npid=7 comm=python3 workload=- \n",
        );
        await assert.rejects(
            destroy(),
            /the kernel module stays on gpu-1 \(test\): connections are held open by ai-agent \(41\), python3 \(7\)\. Stop or restart these/,
        );
        assert.equal(await condition(), "running");
        node.write("hold-module", "0");
        await destroy();
        assert.deepEqual(node.files(), []);
    });

    it("is removed with everything else", async () => {
        await up();
        await destroy();
        assert.deepEqual(
            node.takeLog().filter((line) => !line.startsWith("put")),
            [
                "systemctl stop",
                "agent drain",
                "systemctl stop riptides-tls",
                "rmmod",
                "systemctl disable",
                "systemctl disable riptides-tls",
                "systemctl daemon-reload",
            ],
        );
        assert.deepEqual(node.files(), []);
    });
});
