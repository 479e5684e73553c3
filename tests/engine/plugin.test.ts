// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Configuration } from "../../provider/configuration";
import { riptides } from "../../provider/provider";
import { Harness, secretMark, type Wire } from "../provider/client";
import { Stand, type BuiltPlugin } from "./stand";

const type = "riptides:openai:Plugin";

// The same against a fake is in tests/provider; here the server, the binaries and the leases are real.
describe("riptides:openai:Plugin on a real server", function () {
    this.timeout(120_000);
    let stand: Stand;
    let harness: Harness;
    let first: BuiltPlugin;
    let second: BuiltPlugin;

    before(async function () {
        this.timeout(900_000); // the engine may have to be compiled
        stand = await Stand.start();
        [first, second] = stand.said.plugins;
        harness = await Harness.start(riptides(new Configuration({})));
        await harness.configure({ address: stand.said.address, token: secretMark(stand.said.token) });
    });

    after(async () => {
        await harness?.stop();
        await stand?.stop();
    });

    const news = (plugin: BuiltPlugin, more: Wire = {}): Wire => ({
        version: plugin.version,
        command: plugin.command,
        sha256: plugin.sha256,
        ...more,
    });

    async function make(wanted: Wire) {
        const { inputs, failures } = await harness.check(type, wanted);
        assert.deepEqual(failures, []);
        const { id, properties } = await harness.create(type, inputs);
        return { id, outputs: properties, inputs };
    }

    async function change(kept: Awaited<ReturnType<typeof make>>, wanted: Wire) {
        const { inputs, failures } = await harness.check(type, wanted, kept.inputs);
        assert.deepEqual(failures, []);
        const { id, outputs: olds, inputs: oldInputs } = kept;
        return { id, outputs: await harness.update(type, { id, olds, oldInputs, news: inputs }), inputs };
    }

    async function versions(name: string): Promise<string[]> {
        const { data } = await stand.must("GET", "sys/plugins/catalog");
        const all = data["detailed"] as { name: string; version: string }[];
        return all.filter((plugin) => plugin.name === name).map((plugin) => plugin.version);
    }

    async function throwaways(): Promise<string[]> {
        const { data } = await stand.must("GET", "sys/mounts");
        return Object.keys(data).filter((path) => path.startsWith("riptides-try-"));
    }

    it("upgrades a mount, whose lease lives on and is revoked by the new version", async () => {
        const kept = await make(news(first));
        const config = { plugin_version: `v${first.version}` };
        await stand.must("POST", "sys/mounts/openai", { type: "openai", config });
        await stand.must("POST", "openai/config", stand.said.config);
        await stand.must("POST", "openai/roles/agent", { project_id: stand.said.project });
        const { data, leaseId } = await stand.must("GET", "openai/creds/agent");
        const key = String(data["api_key"]);

        // A new version that does not start is tried elsewhere first.
        await assert.rejects(
            change(kept, news({ ...second, sha256: first.sha256 })),
            /sha256: .*checksums did not match.*\[PluginChecksum\]/,
        );
        await assert.rejects(
            change(kept, news({ ...second, version: "9.9.8" })),
            /version: .*mismatch.*v9\.9\.9.*v9\.9\.8.*\[InvalidProperty\]/,
        );
        await assert.rejects(change(kept, news({ ...second, command: "engine-3" })), /command: .*\[PluginMissing\]/);
        assert.deepEqual(await versions("openai"), [`v${first.version}`]);
        assert.deepEqual(await throwaways(), []);
        assert.equal((await stand.must("GET", "openai/info")).data["version"], first.version);

        const next = await change(kept, news(second));
        assert.equal(next.outputs["runningSha256"], second.sha256);
        assert.deepEqual(await versions("openai"), [`v${second.version}`]);
        const info = await stand.must("GET", "openai/info");
        assert.deepEqual([info.data["version"], info.data["live_accounts"]], [second.version, 1]);
        const mount = (await stand.must("GET", "sys/mounts/openai")).data;
        assert.deepEqual(
            [mount["running_plugin_version"], mount["running_sha256"]],
            [`v${second.version}`, second.sha256],
        );
        assert.equal(await stand.lives(key), true, "the key of the lease died by the upgrade");
        await stand.must("PUT", "sys/leases/revoke", { lease_id: leaseId, sync: true });
        assert.equal(await stand.lives(key), false, "the key outlived its lease");

        const { id, outputs, inputs } = next;
        await assert.rejects(harness.delete(type, id, outputs, inputs), /openai still run openai v9\.9\.9/);
        await stand.must("DELETE", "sys/mounts/openai");
        await harness.delete(type, id, outputs, inputs);
        assert.deepEqual(await versions("openai"), []);
    });

    it("refuses an entry that the server's configuration declares, and leaves it as it is", async () => {
        await assert.rejects(
            make(news(first, { name: "declared" })),
            /declared in the server's configuration file.*\[PluginDeclarative\]/s,
        );
        const entry = await stand.must("GET", `sys/plugins/catalog/secret/declared?version=v${first.version}`);
        assert.equal(entry.data["declarative"], true);
    });

    it("never deregisters a declared version, by delete or as one that it replaces", async () => {
        const kept = {
            id: "declared",
            outputs: {},
            inputs: (await harness.check(type, news(first, { name: "declared" }))).inputs,
        };
        await assert.rejects(
            harness.delete(type, kept.id, kept.outputs, kept.inputs),
            /\[PluginDeclarative\]/,
        );
        await change(kept, news(second, { name: "declared" }));
        const entry = await stand.must("GET", `sys/plugins/catalog/secret/declared?version=v${first.version}`);
        assert.equal(entry.data["declarative"], true);
        assert.match(harness.lines.map((line) => line.message).join("\n"), /stays registered: .*configuration file/);
    });
});
