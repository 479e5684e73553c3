// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { systemClock } from "../../agent/clock";
import type { ClusterView } from "../../agent/cluster";
import { KubernetesCluster } from "../../agent/cluster-http";
import { kinds, Secret } from "../../api";
import { FakeKubernetes } from "../fakes/kubernetes";

describe("agent: view of a Kubernetes API", () => {
    const namespace = "riptides-system";
    let kubernetes: FakeKubernetes;
    let cluster: KubernetesCluster;

    beforeEach(async () => {
        kubernetes = new FakeKubernetes();
        const { clusters } = JSON.parse(await kubernetes.start()) as { clusters: { cluster: { server: string } }[] };
        cluster = new KubernetesCluster({
            server: clusters[0]!.cluster.server,
            certificateAuthority: "",
            namespace,
            token: new Secret("fake"),
            clock: systemClock,
        });
    });

    afterEach(async () => {
        cluster.close();
        await kubernetes.stop();
    });

    it("keeps of a binding what tells it from another, and which of them was first", async () => {
        const metadata = { name: "keys", namespace, uid: "u-1", generation: 2, resourceVersion: "7" };
        const spec = { workloadID: "ai-agent", credentialSource: "vault-keys", propagation: { sysfs: {} } };
        kubernetes.put(kinds.credentialBinding.plural, {
            metadata: { ...metadata, creationTimestamp: "2026-01-01T00:00:00Z" },
            spec,
        });

        const view = await new Promise<ClusterView>((resolve, reject) =>
            cluster.watch(resolve, (fault) => fault && reject(fault)),
        );

        assert.deepEqual(
            [...view.bindings.values()],
            [{ name: "keys", uid: "u-1", generation: 2, createdAt: "2026-01-01T00:00:00Z", spec }],
        );
    });
});
