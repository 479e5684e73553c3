// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { slicePath, unitPath } from "../../agent/host";
import { FakeNode } from "../fakes/agent-node";

const binary = "/usr/local/bin/ai-agent";

describe("agent: selectors on a node", () => {
    let node: FakeNode;

    beforeEach(() => {
        node = new FakeNode();
        node.source();
        node.binding();
    });

    it("makes one conjunction of the keys of a selector", async () => {
        node.host.units.set("ai-agent.service", "/system.slice/ai-agent.service");
        const hash = "a".repeat(64);
        node.host.executables.set(binary, { inode: 9n, digest: hash });
        const selector = {
            "process:binary:path": binary,
            "process:binary:hash": `sha256:${hash}`,
            "process:uid": 1000,
            "process:gid": 100,
            "process:name": "ai-agent",
            "systemd:unit": "ai-agent.service",
        };
        node.identity("ai-agent", { selectors: [selector] });

        await node.start();

        assert.deepEqual(node.kernel.table[0]!.alternatives, [
            {
                uid: 1000,
                gid: 100,
                comm: "ai-agent",
                sha256: Buffer.from(hash, "hex"),
                executable: { major: 8, minor: 1, inode: 9n },
                cgroup: "/system.slice/ai-agent.service",
            },
        ]);
    });

    it("makes an alternative of each list value and each selector", async () => {
        node.identity("ai-agent", { selectors: [{ "process:uid": [1, 2] }, { "process:gid": 3 }] });

        await node.start();

        assert.deepEqual(node.kernel.table[0]!.alternatives, [{ uid: 1 }, { uid: 2 }, { gid: 3 }]);
    });

    it("says SelectorUnresolved with property and path, and recovers when the program appears", async () => {
        node.host.executables.delete(binary);
        node.identity();
        await node.start();
        const status = node.cluster.status("keys")!;
        assert.equal(status.reason, "SelectorUnresolved");
        assert.match(
            status.message!,
            /^spec\.selectors\[0\]\.process:binary:path: \/usr\/local\/bin\/ai-agent does not exist\./,
        );
        assert.equal(node.vault.keysMade, 0);

        node.host.executables.set(binary, { inode: 8n });
        node.host.change();
        await node.clock.advance(500);

        assert.equal(node.cluster.status("keys")?.state, "OK");
        assert.equal(node.key(), "sk-svcacct-1");
    });

    it("follows a replaced program without a new key", async () => {
        node.identity();
        await node.start();

        node.host.executables.set(binary, { inode: 70n });
        node.host.change();
        await node.clock.advance(500);

        assert.equal(node.kernel.table[0]!.alternatives[0]!.executable!.inode, 70n);
        assert.equal(node.vault.keysMade, 1);
    });

    it("wipes and ends the key when the program is removed", async () => {
        node.identity();
        await node.start();

        node.host.executables.delete(binary);
        node.host.change();
        await node.clock.advance(500);

        assert.deepEqual(node.vault.liveKeys, []);
        assert.equal(node.cluster.status("keys")?.reason, "SelectorUnresolved");
    });

    it("refuses a script: its process runs the interpreter", async () => {
        node.host.executables.set(binary, { inode: 7n, script: true });
        node.identity();

        await node.start();

        assert.match(node.cluster.status("keys")!.message!, /is a script.*interpreter's binary/);
    });

    it("refuses a digest that is not the program's", async () => {
        node.host.executables.set(binary, { inode: 7n, digest: "b".repeat(64) });
        const selector = { "process:binary:path": binary, "process:binary:hash": `sha256:${"a".repeat(64)}` };
        node.identity("ai-agent", { selectors: [selector] });

        await node.start();

        assert.match(node.cluster.status("keys")!.message!, /process:binary:hash.*is not that of/);
    });

    it("serves the alternatives that are there and names those that are not", async () => {
        node.identity("ai-agent", { selectors: [{ "systemd:unit": "gone.service" }, { "process:uid": 1000 }] });

        await node.start();

        const status = node.cluster.status("keys")!;
        assert.equal(status.state, "OK");
        assert.match(status.message!, /gone\.service is not known to systemd/);
        assert.deepEqual(node.kernel.table[0]!.alternatives, [{ uid: 1000 }]);
    });

    it("knows the cgroup of a unit that runs, of one that does not, and none of an unknown one", () => {
        const shown = (group: string, slice: string, state = "loaded") =>
            `LoadState=${state}\nControlGroup=${group}\nSlice=${slice}\n`;

        assert.deepEqual(unitPath("a.service", shown("/x.slice/a.service", "x.slice")), { path: "/x.slice/a.service" });
        assert.deepEqual(unitPath("a.service", shown("", "system.slice")), { path: "/system.slice/a.service" });
        assert.deepEqual(unitPath("a@1.service", shown("", "system-a.slice")), {
            path: "/system.slice/system-a.slice/a@1.service",
        });
        assert.deepEqual(unitPath("user-1.slice", shown("", "user.slice")), { path: "/user.slice/user-1.slice" });
        assert.deepEqual(unitPath("a.service", shown("", "", "not-found")), { missing: "is not known to systemd" });
        assert.equal(slicePath("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
    });
});
