// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Configuration } from "../../provider/configuration";
import { riptides } from "../../provider/provider";
import { FakeKubernetes } from "../fakes/kubernetes";
import { Harness, initializationFailure, type Wire } from "./client";

const type = "riptides:index:BindingStatus";
const namespace = "riptides-system";
const binding = (status?: Record<string, unknown>, generation = 1) => ({
    metadata: { name: "b", namespace, generation },
    spec: { workloadID: "ai-agent", credentialSource: "s", propagation: { sysfs: {} } },
    status,
});
const file = { path: "/sys/module/riptides/credentials/x/crb-b/vault.json", type: "CREDENTIAL" };
const ok = { state: "OK", observedGeneration: 1, agent: "riptides/daemon/a", sysfs: { files: [file] } };

describe("BindingStatus", function () {
    // The kubeconfig library takes its time to load.
    this.timeout(20_000);
    let kubernetes: FakeKubernetes;
    let harness: Harness;
    let inputs: Wire;

    beforeEach(async () => {
        kubernetes = new FakeKubernetes();
        const kubeconfig = await kubernetes.start();
        harness = await Harness.start(riptides(new Configuration({})));
        await harness.handshake();
        await harness.configure({ kubeconfig });
        inputs = (await harness.check(type, { namespace, name: "b", failureGrace: "100ms" })).inputs;
    });

    afterEach(async () => {
        await harness.stop();
        await kubernetes.stop();
    });

    const statuses = () => harness.lines.filter(({ ephemeral }) => ephemeral).map(({ message }) => message);

    async function until(condition: () => boolean): Promise<void> {
        while (!condition()) {
            await new Promise((resolve) => setImmediate(resolve));
        }
    }

    it("gives the report as outputs, by one watch, and says what it waits for", async () => {
        const created = harness.create(type, inputs);
        await until(() => kubernetes.watches === 1);
        kubernetes.put("credentialbindings", binding());
        await until(() => statuses().length === 2);
        kubernetes.put("credentialbindings", binding({ ...ok, observedGeneration: 0 }));
        await until(() => statuses().length === 3);
        kubernetes.put("credentialbindings", binding(ok));
        const { id, properties } = await created;
        assert.equal(id, "riptides-system/b");
        assert.equal(properties["state"], "OK");
        assert.equal(properties["agent"], "riptides/daemon/a");
        assert.deepEqual(properties["files"], [file]);
        assert.deepEqual(statuses(), [
            "waiting for the CredentialBinding to exist",
            "waiting for an agent to report",
            "waiting for the agent to see the change (generation 0 of 1)",
        ]);
        assert.equal(kubernetes.requests.filter((line) => line.endsWith("watch")).length, 1);
        await until(() => kubernetes.watches === 0);
    });

    it("gives the hosts of a binding that injects, and none of the counts that change by themselves", async () => {
        const services = [{ host: "api.openai.com", port: 443 }];
        const injection = { services, injected: 3, refused: 1, ownTls: false, lastError: "x" };
        kubernetes.put("credentialbindings", binding({ ...ok, sysfs: undefined, injection }));
        const { id, properties } = await harness.create(type, inputs);
        assert.deepEqual(properties["injection"], { services });
        assert.deepEqual(properties["files"], []);

        const busy = { ...injection, injected: 4, lastInjectedAt: new Date().toISOString() };
        kubernetes.put("credentialbindings", binding({ ...ok, sysfs: undefined, injection: busy }));
        const seen = await harness.read(type, id, { olds: properties, inputs });
        assert.deepEqual(seen.properties, properties);
    });

    it("tells of a warning on the wire without calling the binding bad", async () => {
        const injection = { services: [{ host: "h", port: 443 }], injected: 0, refused: 0, ownTls: true };
        const warned = { ...ok, reason: "OwnTls", message: "this process brings its own TLS", injection };
        kubernetes.put("credentialbindings", binding(warned));
        const { properties } = await harness.create(type, inputs);
        assert.deepEqual([properties["state"], properties["reason"]], ["OK", "OwnTls"]);
    });

    it("ends with TlsHelper and its fix when the node has no helper", async () => {
        const failed = { state: "FAILED", reason: "TlsHelper", message: "not connected", observedGeneration: 1 };
        kubernetes.put("credentialbindings", binding(failed));
        const error = await harness.create(type, inputs).then(
            () => assert.fail("created"),
            (thrown: unknown) => thrown,
        );
        assert.match(
            initializationFailure(error).reasons[0]!,
            /TlsHelper: not connected\. See `systemctl status riptides-tls`/,
        );
    });

    it("ends a lasting failure with the agent's words, keeps the resource, and the next update goes on", async () => {
        const failed = { state: "FAILED", reason: "SelectorUnresolved", message: "no /bin/x", observedGeneration: 1 };
        kubernetes.put("credentialbindings", binding(failed));
        const error = await harness.create(type, inputs).then(
            () => assert.fail("created"),
            (thrown: unknown) => thrown,
        );
        const { id, properties, reasons } = initializationFailure(error);
        assert.match(reasons[0]!, /SelectorUnresolved: no \/bin\/x\. .*\[BindingFailed\]$/);
        assert.equal(properties["state"], "FAILED");
        const { detailed } = await harness.diff(type, { id, olds: properties, oldInputs: inputs, news: inputs });
        assert.deepEqual(Object.keys(detailed), ["state"]);
        kubernetes.put("credentialbindings", binding(ok));
        const updated = await harness.update(type, { id, olds: properties, oldInputs: inputs, news: inputs });
        assert.equal(updated["state"], "OK");
    });

    it("lists at the timeout what is missing", async () => {
        kubernetes.put("credentialbindings", binding());
        kubernetes.put("workloadidentitys", {
            metadata: { name: "w", namespace },
            spec: { workloadID: "ai-agent", scope: { agent: { id: "riptides/daemon/a" } }, selectors: [] },
        });
        await assert.rejects(harness.create(type, inputs, { timeout: 0.2 }), (error: Error) => {
            assert.match(error.message, /not OK within 200ms/);
            assert.match(error.message, /no CredentialSource riptides-system\/s;/);
            assert.match(error.message, /no agent riptides\/daemon\/a has registered/);
            assert.match(error.message, /\[BindingTimeout\]/);
            return true;
        });
    });

    it("says at the timeout that the binding itself is missing", async () => {
        await assert.rejects(
            harness.create(type, inputs, { timeout: 0.2 }),
            /there is no CredentialBinding riptides-system\/b/,
        );
    });

    it("goes on after the API server broke the watch", async () => {
        const created = harness.create(type, inputs);
        await until(() => kubernetes.watches === 1);
        kubernetes.breakWatches();
        kubernetes.put("credentialbindings", binding(ok));
        assert.equal((await created).properties["state"], "OK");
    });

    it("goes on after a list was cut off in the middle", async () => {
        const created = harness.create(type, inputs);
        await until(() => kubernetes.watches === 1);
        kubernetes.cutLists = 1;
        kubernetes.breakWatches();
        await until(() => kubernetes.cutLists === 0);
        kubernetes.put("credentialbindings", binding(ok));
        assert.equal((await created).properties["state"], "OK");
    });

    it("waits for the CustomResourceDefinition to be installed", async () => {
        kubernetes.installed = false;
        const created = harness.create(type, inputs);
        await until(() => kubernetes.requests.length > 0);
        kubernetes.installed = true;
        kubernetes.put("credentialbindings", binding(ok));
        assert.equal((await created).properties["state"], "OK");
    });

    it("ends on Cancel", async () => {
        const rejected = assert.rejects(harness.create(type, inputs), /cancelled/);
        await until(() => kubernetes.watches === 1);
        await harness.cancel();
        await rejected;
    });

    it("names the kubeconfig when the cluster refuses", async () => {
        kubernetes.denied = true;
        await assert.rejects(
            harness.create(type, inputs),
            /kubeconfig: .*403: credentialbindings is forbidden.*\[ClusterDenied\]/,
        );
    });

    it("does not believe an OK that has outlived its credential", async () => {
        kubernetes.put("credentialbindings", binding(ok));
        const { id, properties } = await harness.create(type, inputs);
        const expiresAt = new Date(Date.now() - 3_600_000).toISOString();
        kubernetes.put("credentialbindings", binding({ ...ok, expiresAt }));
        const seen = await harness.read(type, id, { olds: properties, inputs });
        assert.deepEqual([seen.properties["state"], seen.properties["reason"]], ["FAILED", "Expired"]);

        const updated = harness.update(type, { id, olds: seen.properties, oldInputs: inputs, news: inputs });
        await until(() => statuses().some((line) => line.includes(`ended at ${expiresAt}`)));
        kubernetes.put(
            "credentialbindings",
            binding({ ...ok, expiresAt: new Date(Date.now() + 600_000).toISOString() }),
        );
        assert.equal((await updated)["state"], "OK");
    });

    it("shows by refresh that a binding went bad, and that it is gone", async () => {
        kubernetes.put("credentialbindings", binding(ok));
        const { id, properties } = await harness.create(type, inputs);
        const same = await harness.read(type, id, { olds: properties, inputs });
        assert.deepEqual([same.properties, same.inputs], [properties, inputs]);
        kubernetes.put("credentialbindings", binding({ ...ok, state: "FAILED", reason: "Expired" }));
        const bad = await harness.read(type, id, { olds: properties, inputs });
        assert.equal(bad.properties["state"], "FAILED");
        assert.equal((await harness.read(type, "riptides-system/other")).id, "");
    });
});
