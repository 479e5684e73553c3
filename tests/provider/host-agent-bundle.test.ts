// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openBundle } from "../../provider/host-agent/bundle";
import { parseState, type NodeState } from "../../provider/host-agent/node-state";
import { findings } from "../../provider/host-agent/preflight";
import { sanitise } from "../../provider/host-agent/sanitise";
import { moduleImage } from "../fakes/node-directory";

describe("provider/host-agent: bundle", () => {
    let directory: string;
    const put = (path: string, content: string | Buffer) => {
        const file = join(directory, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content);
    };
    const elf = (machine: number) => {
        const header = Buffer.alloc(64);
        header.write("\u007fELF", 0, "latin1");
        header.writeUInt16LE(machine, 18);
        return header;
    };

    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "riptides-bundle-"));
        put("agent.js", "// riptides-agent 1.2.3\n");
        put("riptides-agent.service", "[Unit]\n");
        put("node", elf(62));
        put("kmod/main.c", "int main;\n");
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    it("reads version, architecture, sources and prebuilt modules", async () => {
        put("modules/6.1.0/riptides.ko", moduleImage("1.2.3", "AAA", true, "6.1.0"));
        const bundle = await openBundle(directory);
        assert.equal(bundle.agent.version, "1.2.3");
        assert.equal(bundle.runtime.architecture, "x86_64");
        assert.deepEqual([...bundle.sources.keys()], ["main.c"]);
        const { version, sourceVersion, signed } = bundle.modules.get("6.1.0")!;
        assert.deepEqual({ version, sourceVersion, signed }, { version: "1.2.3", sourceVersion: "AAA", signed: true });
    });

    for (const [what, change] of [
        ["the agent", () => put("agent.js", "// riptides-agent 1.2.4\n")],
        ["the unit", () => put("riptides-agent.service", "[Service]\n")],
        ["the runtime", () => put("node", elf(183))],
        ["a source", () => put("kmod/main.c", "int other;\n")],
        ["the set of prebuilt modules", () => put("modules/6.1.0/riptides.ko", moduleImage("1", "A", false, "6.1.0"))],
    ] as const) {
        it(`has another digest when ${what} changes, and the same when nothing does`, async () => {
            const { sha256 } = await openBundle(directory);
            assert.equal((await openBundle(directory)).sha256, sha256);
            change();
            assert.notEqual((await openBundle(directory)).sha256, sha256);
        });
    }

    it("has a TLS helper where its unit is, and another digest when anything of it changes", async () => {
        const seen = new Set([(await openBundle(directory)).sha256]);
        assert.equal((await openBundle(directory)).helper, undefined);
        for (const [path, text] of [
            ["riptides-tls.service", "[Unit]"],
            ["x86_64/riptides-tls", "program"],
            ["source/helper/main.c", "int main;"],
            ["source/uapi/riptides.h", ""],
            ["source/helper/main.c", "int other;"],
        ] as const) {
            put(`helper/${path}`, text);
            seen.add((await openBundle(directory)).sha256);
        }
        assert.equal(seen.size, 6);
        const { programs, sources } = (await openBundle(directory)).helper!;
        assert.deepEqual([...programs.keys()], ["x86_64"]);
        assert.deepEqual([...sources.keys()], ["helper/main.c", "uapi/riptides.h"]);
    });

    it("prefers a module of moduleDir", async () => {
        put("modules/6.1.0/riptides.ko", moduleImage("1", "BUNDLE", false, "6.1.0"));
        put("given/6.1.0/riptides.ko", moduleImage("1", "GIVEN", false, "6.1.0"));
        const { modules } = await openBundle(directory, join(directory, "given"));
        assert.equal(modules.get("6.1.0")!.sourceVersion, "GIVEN");
    });

    it("refuses a module in the folder of another kernel, and a moduleDir that is not there", async () => {
        put("given/6.1.0/riptides.ko", moduleImage("1", "A", false, "6.12.0"));
        const property = "moduleDir";
        await assert.rejects(openBundle(directory, join(directory, "given")), { property, code: "InvalidProperty" });
        await assert.rejects(openBundle(directory, join(directory, "none")), { property, code: "InvalidProperty" });
    });

    it("refuses a directory that is no bundle", async () => {
        rmSync(join(directory, "agent.js"));
        await assert.rejects(openBundle(directory), { property: "bundleDir", code: "InvalidProperty" });
    });

    describe("on a node", () => {
        const mb = 1_000_000;
        const suitable: NodeState = {
            ...parseState(""),
            privileged: true,
            architecture: "x86_64",
            kernelRelease: "6.1.0",
            init: "systemd",
            systemd: 252,
            libc: "glibc 2.36",
            loadable: true,
            writable: true,
            free: { program: 1000 * mb, credentials: 1000 * mb },
            build: { headers: true, make: true, compiler: true, openssl: [3, 5] },
        };
        const reasons = async (change: Partial<NodeState>) =>
            findings({ ...suitable, ...change }, await openBundle(directory), "root").map(({ code, reason }) => [
                code,
                reason,
            ]);

        it("finds nothing against a suitable one", async () => {
            assert.deepEqual(await reasons({}), []);
        });

        for (const [change, code, reason] of [
            [{ architecture: "aarch64" }, "NodeUnsuitable", /the node is aarch64, .* for x86_64/],
            [{ systemd: 247 }, "NodeUnsuitable", /systemd is 247, needed is 250/],
            [{ libc: "" }, "NodeUnsuitable", /not glibc/],
            [{ missing: ["systemd-creds"] }, "NodeUnsuitable", /commands are missing: systemd-creds/],
            [{ writable: false }, "NodeUnsuitable", /read-only/],
            [{ free: { program: 10 * mb, credentials: 1000 * mb } }, "NodeUnsuitable", /\/usr has 10 MB free/],
            [{ free: { program: 1000 * mb, credentials: mb } }, "NodeUnsuitable", /\/var has 1 MB free/],
            [
                { build: { headers: false, make: true, compiler: false, openssl: [0, 0] } },
                "KernelUnsupported",
                /lacks the headers of 6\.1\.0, gcc/,
            ],
            [{ modulesDisabled: true }, "KernelUnsupported", /modules_disabled/],
            [{ loadable: false }, "KernelUnsupported", /without loadable modules/],
            [
                { lockdown: "integrity", secureBoot: true },
                "KernelLockdown",
                /lockdown is "integrity", Secure Boot is on/,
            ],
            [{ signatureEnforced: true }, "KernelLockdown", /sig_enforce is on, and a module built on the node/],
        ] as [Partial<NodeState>, string, RegExp][]) {
            it(`finds ${reason.source}`, async () => {
                const found = await reasons(change);
                assert.equal(found.length, 1);
                assert.equal(found[0]![0], code);
                assert.match(found[0]![1]!, reason);
            });
        }
    });
});

describe("provider/host-agent: what a node's programs write", () => {
    it("loses secrets, colours and all but its end", () => {
        const lines = Array.from({ length: 40 }, (_, i) => `line ${i}`).join("\n");
        const text = sanitise(
            `${lines}\n\u001b[1mkey sk-proj-0123456789abcdef\u001b[0m s.0123456789abcdefghijklmn\r\n`,
        );
        assert.ok(text.startsWith("line 26\n"));
        assert.ok(text.endsWith("key [secret] [secret]"));
        assert.equal(sanitise("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"), "[secret]");
    });
});
