// SPDX-License-Identifier: Apache-2.0
import { version } from "../package.json";
import { KubernetesCluster } from "./binding-status/cluster";
import { BindingStatus } from "./binding-status/controller";
import { checkConfiguration, Configuration } from "./configuration";
import { HostAgent } from "./host-agent/controller";
import { Config } from "./openai-config/controller";
import { Plugin } from "./openai-plugin/controller";
import { Role } from "./openai-role/controller";
import type { Provider, Resource } from "./protocol";
import { schemaText } from "./tables";

export { version };

/** The provider `riptides`. Big libraries (SSH, kubeconfig) are loaded by the resource that needs them, when it does. */
export function riptides(configuration = new Configuration()): Provider {
    const resources: Record<string, Resource> = {
        "riptides:openai:Plugin": new Plugin(configuration),
        "riptides:openai:Config": new Config(configuration),
        "riptides:openai:Role": new Role(configuration),
        "riptides:node:HostAgent": new HostAgent(),
        "riptides:index:BindingStatus": new BindingStatus(new KubernetesCluster(() => configuration.kubeconfig())),
    };
    return {
        name: "riptides",
        version,
        schema: () => schemaText(version),
        checkConfig: checkConfiguration,
        configure: (values) => configuration.set(values),
        resource: (type) => resources[type],
    };
}
