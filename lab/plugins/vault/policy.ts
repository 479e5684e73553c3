// SPDX-License-Identifier: Apache-2.0
import { type Kind, namespaceOf } from "./resource";

/** `vault:index/policy:Policy`: an ACL policy. Id: its name. */
export const policy: Kind = {
    properties: {
        name: { kind: "string", replace: true, autonamed: true },
        namespace: { kind: "string", replace: true },
        policy: { kind: "string", required: true },
        allowOverwrite: { kind: "bool", computed: true, writeOnly: true, output: true },
    },
    identity: "name",
    id: (inputs) => String(inputs["name"]),
    async create(server, inputs, exists, signal) {
        await server.write(
            `sys/policies/acl/${String(inputs["name"])}`,
            namespaceOf(inputs),
            { policy: inputs["policy"] },
            signal,
        );
        exists();
    },
    // A policy that is gone reads as an empty one, as with the official plugin: the next `up` writes it again.
    async read(server, id, inputs, signal) {
        const fields = await server.read(`sys/policies/acl/${id}`, namespaceOf(inputs), signal);
        return { name: id, namespace: namespaceOf(inputs) ?? null, policy: String(fields?.["policy"] ?? "") };
    },
    async update(server, id, _state, inputs, signal) {
        await server.write(`sys/policies/acl/${id}`, namespaceOf(inputs), { policy: inputs["policy"] }, signal);
        return id;
    },
    async delete(server, id, state, signal) {
        await server.delete(`sys/policies/acl/${id}`, namespaceOf(state), signal);
    },
};
