// SPDX-License-Identifier: Apache-2.0
import { type CheckResult, computed, type PropertyMap, type Provider, type Resource } from "../../../provider/protocol";
import { Cluster } from "./cluster";
import { kindOf, supported } from "./kinds";
import { type Environment, KubernetesResource } from "./resource";

const heeded = ["kubeconfig", "namespace", "context", "cluster"];
const harmless = ["version", "kubeClientSettings", "suppressDeprecationWarnings", "suppressHelmHookWarnings"];
// What this plugin does anyway.
const fixed = new Map([
    ["enableServerSideApply", "true"],
    ["enableConfigMapMutable", "false"],
    ["enableSecretMutable", "false"],
    ["upsertExistingObjects", "false"],
]);

/**
 * The stand-in for the official Kubernetes plugin: the kinds our components use, answered as @pulumi/kubernetes 4.32.0
 * expects.
 */
export function kubernetesProvider(environment: NodeJS.ProcessEnv): Provider {
    let config: PropertyMap = {};
    let cluster: Cluster | undefined;
    const setting = (name: string): string | undefined => {
        const value = config[name];
        if (value === computed) {
            throw new Error(
                `the Kubernetes provider's ${name} is not known yet: it comes from a resource that is not made yet`,
            );
        }
        return value === undefined || value === null
            ? undefined
            : typeof value === "string"
              ? value
              : JSON.stringify(value);
    };
    const shared: Environment = {
        cluster: () =>
            (cluster ??= new Cluster({
                kubeconfig: setting("kubeconfig"),
                environment: environment["KUBECONFIG"],
                context: setting("context"),
                cluster: setting("cluster"),
            })),
        isClusterKnown: () => !["kubeconfig", "context", "cluster"].some((name) => config[name] === computed),
        secretInputs: new Map(),
    };
    return {
        name: "kubernetes",
        // The SDK asks for its own version or newer.
        version: "4.32.0+standin",
        schema: () => JSON.stringify({ name: "kubernetes", version: "4.32.0+standin", resources: {} }),
        checkConfig({ news }): CheckResult {
            const failures = Object.entries(news)
                .filter(
                    ([name, value]) =>
                        !heeded.includes(name) && !harmless.includes(name) && fixed.get(name) !== String(value),
                )
                .map(([property]) => ({
                    property,
                    reason: "the lab's stand-in for the Kubernetes plugin does not know this setting; use the official plugin",
                }));
            return { inputs: news, failures };
        },
        configure(args) {
            config = args;
            cluster = undefined;
            shared.defaultNamespace = config["namespace"];
        },
        resource(type): Resource {
            const kind = kindOf(type);
            if (!kind) {
                throw new Error(
                    `${type} is not one of the types of the lab's stand-in for the Kubernetes plugin ` +
                        `(${supported.join(", ")}); install the official plugin`,
                );
            }
            return new KubernetesResource(kind, shared);
        },
    };
}
