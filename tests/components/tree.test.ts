// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { WorkloadJwtAuth } from "../../components";
import { record } from "../../components/testing";
import { program } from "./program";

const golden = `
riptides:components:HostNodeAgent gpu-1
  kubernetes:core/v1:Secret gpu-1-token
  kubernetes:core/v1:ServiceAccount gpu-1-service-account
  kubernetes:rbac.authorization.k8s.io/v1:Role gpu-1-role
  kubernetes:rbac.authorization.k8s.io/v1:RoleBinding gpu-1-role-binding
  riptides:node:HostAgent gpu-1-agent
riptides:components:OpenAIAccess ai-agent
  kubernetes:core.riptides.io/v1alpha1:CredentialBinding ai-agent-binding
  kubernetes:core.riptides.io/v1alpha1:CredentialSource ai-agent-source
  kubernetes:core.riptides.io/v1alpha1:Service ai-agent-service
  kubernetes:core.riptides.io/v1alpha1:WorkloadIdentity ai-agent-identity
  riptides:components:OpenAIKeyRole ai-agent-key
    riptides:openai:Role ai-agent-key-role
    vault:index/policy:Policy ai-agent-key-policy
  riptides:components:WorkloadJwtAuth ai-agent-auth
    vault:jwt/authBackend:AuthBackend ai-agent-auth-backend
  riptides:components:WorkloadJwtRole ai-agent-login
    vault:jwt/authBackendRole:AuthBackendRole ai-agent-login-role
  riptides:index:BindingStatus ai-agent-status
riptides:components:OpenAISecretsEngine openai
  riptides:openai:Config openai-config
  riptides:openai:Plugin openai-plugin
  vault:index/mount:Mount openai-mount
riptides:components:RiptidesResources riptides
  kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition riptides-credentialbindings
  kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition riptides-credentialsources
  kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition riptides-daemons
  kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition riptides-services
  kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition riptides-workloadidentitys
  kubernetes:core/v1:Namespace riptides-namespace
`;

describe("tree of a program", () => {
    it("has these types, names and parents: a change of one replaces what users run", async () => {
        const stack = await record(() => program());
        assert.equal(stack.tree(), golden.trim());
    });

    it("is the same in preview", async () => {
        const stack = await record(() => program(), { preview: true });
        assert.equal(stack.tree(), golden.trim());
    });

    it("is the same for a key on the wire", async () => {
        const stack = await record(() => program({ access: { deliver: { wire: true } } }));
        assert.equal(stack.tree(), golden.trim());
    });

    it("registers no plugin that the server knows already", async () => {
        const stack = await record(() => program({ engine: { plugin: { name: "openai-declared" } } }));
        assert.deepEqual(stack.all("riptides:openai:Plugin"), []);
        assert.equal(stack.only("vault:index/mount:Mount").inputs.type, "openai-declared");
    });

    it("takes a JWT auth method that other accesses share", async () => {
        const stack = await record(() => {
            const auth = new WorkloadJwtAuth("shared", {
                trustDomain: "example.org",
                agents: [{ agentId: "a", publicKey: "-----BEGIN PUBLIC KEY-----" }],
            });
            program({ access: { auth } });
        });
        assert.equal(stack.only("vault:jwt/authBackend:AuthBackend").name, "shared-backend");
    });
});
