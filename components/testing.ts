// SPDX-License-Identifier: Apache-2.0

/**
 * Unit tests of programs that use this package, without Pulumi's engine, a server or a node:
 *
 * ```ts
 * import { record } from "pulumi-riptides/testing";
 *
 * const stack = await record(() => import("../index"), { config: { "project:orgId": "org-1" } });
 * assert.equal(stack.only("vault:jwt/authBackendRole:AuthBackendRole").inputs.tokenNumUses, 2);
 * ```
 */
import * as pulumi from "@pulumi/pulumi";
import { credentialPath, labelsMatch, spiffeId, type CredentialBindingSpec, type ServiceSpec } from "../api";

/** Stands in {@link RecordedResource.inputs} for a value that is only known after `up`. */
export const unknown = "[unknown]";

/** A resource that the program registered, with the options that reach the engine. */
export interface RecordedResource {
    type: string;
    name: string;
    urn: string;
    /** URN of the parent; empty for the stack's own children. */
    parent: string;
    /** `false` for components. */
    custom: boolean;
    /** Inputs without wrappers: secrets in clear (see `secrets`), unknown values as {@link unknown}. */
    inputs: Record<string, unknown>;
    /** Paths of inputs that are secret, such as `connection.privateKey`; only the outermost of nested ones. */
    secrets: string[];
    /** `urn::id` of an explicit provider, else empty. */
    provider: string;
    /** URNs. */
    dependencies: string[];
    protect: boolean;
    retainOnDelete: boolean;
    deleteBeforeReplace: boolean;
    /** URN, or empty. */
    deletedWith: string;
    /** Number of aliases, those inherited from the parent included. */
    aliases: number;
    customTimeouts: { create: string; update: string; delete: string } | undefined;
    additionalSecretOutputs: string[];
    version: string;
}

export interface RecordOptions {
    /** `true`: a preview, in which what the providers compute is unknown. */
    preview?: boolean;
    /** Configuration with full keys, such as `project:orgId`. */
    config?: Record<string, string>;
    /** Keys of `config` that are secret. */
    secretConfig?: string[];
    /** Default `project`. */
    project?: string;
    /** Default `stack`. */
    stack?: string;
    /** Outputs of a resource, on top of its inputs. Called in `up` only; what it leaves out gets a plausible value. */
    outputs?: (resource: RecordedResource) => Record<string, unknown> | undefined;
}

/** What a program did. */
export class Recording<T> {
    constructor(
        /** What the program returned. */
        readonly result: T,
        readonly resources: readonly RecordedResource[],
        readonly warnings: readonly string[],
    ) {}

    /** Every resource of a type. */
    all(type: string): RecordedResource[] {
        return this.resources.filter((resource) => resource.type === type);
    }

    /** The one resource of a type. @throws Error when there are none or several. */
    only(type: string): RecordedResource {
        const found = this.all(type);
        if (found.length !== 1) {
            const types = [...new Set(this.resources.map((resource) => resource.type))].sort();
            throw new Error(`${found.length} resources of type ${type}; the program has ${types.join(", ")}`);
        }
        return found[0]!;
    }

    /** Types and names as an indented tree, sorted: good for a golden file. */
    tree(): string {
        const lines: string[] = [];
        const walk = (parent: string, indent: string) => {
            const children = this.resources.filter((resource) => resource.parent === parent);
            for (const child of children.sort((a, b) => (a.urn < b.urn ? -1 : 1))) {
                lines.push(`${indent}${child.type} ${child.name}`);
                walk(child.urn, `${indent}  `);
            }
        };
        walk("", "");
        return lines.join("\n");
    }
}

/**
 * Runs a program against recorded stand-ins of the providers. Not for two programs at once: Pulumi's runtime is global.
 * @param program makes resources; what it returns is the recording's `result`.
 */
export async function record<T>(program: () => T | Promise<T>, options: RecordOptions = {}): Promise<Recording<T>> {
    const resources: RecordedResource[] = [];
    const warnings: string[] = [];
    const preview = options.preview ?? false;
    await pulumi.runtime.setMocks(
        {
            newResource: ({ type, name, inputs, custom }) => {
                const known = plain(inputs) as Record<string, unknown>;
                const recorded = resources.find((resource) => resource.type === type && resource.name === name)!;
                const computed = preview
                    ? {}
                    : { ...computedOutputs(recorded, resources), ...options.outputs?.(recorded) };
                return { id: custom && !preview ? `${name}-id` : undefined, state: { ...known, ...computed } };
            },
            call: ({ inputs }) => inputs as Record<string, unknown>,
        },
        options.project,
        options.stack,
        preview,
    );
    pulumi.runtime.setAllConfig(options.config ?? {}, options.secretConfig ?? []);
    listen(resources);
    const warn = console.warn;
    // Without an engine the SDK prints its warnings.
    console.warn = (text: unknown) => warnings.push(String(text));
    try {
        const result = await program();
        await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
        return new Recording(result, resources, warnings);
    } finally {
        console.warn = warn;
    }
}

/** The wire form of a request, as far as it is read here. */
interface Request {
    getType(): string;
    getName(): string;
    getParent(): string;
    getCustom(): boolean;
    getObject(): { toJavaScript(): Record<string, unknown> } | undefined;
    getProvider(): string;
    getDependenciesList(): string[];
    getProtect(): boolean | undefined;
    getRetainondelete(): boolean | undefined;
    getDeletebeforereplace(): boolean;
    getDeletedwith(): string;
    getAliasesList(): unknown[];
    getCustomtimeouts(): { getCreate(): string; getUpdate(): string; getDelete(): string } | undefined;
    getAdditionalsecretoutputsList(): string[];
    getVersion(): string;
}

type ReadRequest = Pick<
    Request,
    "getType" | "getName" | "getParent" | "getProvider" | "getDependenciesList" | "getVersion"
>;

interface Monitor {
    registerResource(request: Request, callback: unknown): Promise<void>;
    readResource(request: ReadRequest, callback: unknown): Promise<void>;
    newUrn(parent: string, type: string, name: string): string;
}

function listen(resources: RecordedResource[]): void {
    const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
    const register = monitor.registerResource.bind(monitor);
    monitor.registerResource = (request, callback) => {
        resources.push({ ...named(request, monitor), ...registered(request) });
        return register(request, callback);
    };
    const read = monitor.readResource.bind(monitor);
    monitor.readResource = (request, callback) => {
        resources.push({ ...named(request, monitor), ...untouched });
        return read(request, callback);
    };
}

function named(request: ReadRequest, monitor: Monitor) {
    return {
        type: request.getType(),
        name: request.getName(),
        urn: monitor.newUrn(request.getParent(), request.getType(), request.getName()),
        parent: request.getParent(),
        provider: request.getProvider(),
        dependencies: request.getDependenciesList(),
        version: request.getVersion(),
    };
}

/** What a resource that is only read has in place of inputs and options. */
const untouched = {
    custom: true,
    inputs: {},
    secrets: [],
    protect: false,
    retainOnDelete: false,
    deleteBeforeReplace: false,
    deletedWith: "",
    aliases: 0,
    customTimeouts: undefined,
    additionalSecretOutputs: [],
};

function registered(request: Request) {
    const wire = request.getObject()?.toJavaScript() ?? {};
    const timeouts = request.getCustomtimeouts();
    return {
        custom: request.getCustom(),
        inputs: plain(wire) as Record<string, unknown>,
        secrets: secretPaths(wire).sort(),
        protect: request.getProtect() ?? false,
        retainOnDelete: request.getRetainondelete() ?? false,
        deleteBeforeReplace: request.getDeletebeforereplace(),
        deletedWith: request.getDeletedwith(),
        aliases: request.getAliasesList().length,
        customTimeouts: timeouts && {
            create: timeouts.getCreate(),
            update: timeouts.getUpdate(),
            delete: timeouts.getDelete(),
        },
        additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    };
}

// Signatures of special values on the wire: https://github.com/pulumi/pulumi/blob/master/sdk/nodejs/runtime/rpc.ts
const specialKey = "4dabf18193072939515e22adb298388d";
const secretValue = "1b47061264138c4ac30d75fd1eb44270";
const resourceValue = "5cf8f73096256a8f31e491e813e4eb8e";
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function plain(value: unknown): unknown {
    if (value === unknownText) {
        return unknown;
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (typeof value !== "object" || value === null) {
        return value;
    }
    const object = value as Record<string, unknown>;
    if (object[specialKey] === secretValue) {
        return plain(object["value"]);
    }
    if (object[specialKey] === resourceValue) {
        return object["urn"];
    }
    return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, plain(item)]));
}

function secretPaths(value: unknown, path = ""): string[] {
    if (typeof value !== "object" || value === null) {
        return [];
    }
    if ((value as Record<string, unknown>)[specialKey] === secretValue) {
        return [path];
    }
    return Object.entries(value).flatMap(([key, item]) => secretPaths(item, path ? `${path}.${key}` : key));
}

const standInKey = "-----BEGIN PUBLIC KEY-----\nc3RhbmQtaW4=\n-----END PUBLIC KEY-----";

/** What the providers would compute for a resource. */
function computedOutputs(resource: RecordedResource, all: readonly RecordedResource[]): Record<string, unknown> {
    const { type, inputs } = resource;
    if (type === "riptides:node:HostAgent") {
        const agentId = "00000000-0000-4000-8000-000000000001";
        return {
            agentId,
            publicKey: `${standInKey}\n`,
            workloadId: `riptides/daemon/${agentId}`,
            hostname: "node",
            kernelRelease: "6.12.0",
            moduleVersion: resource.version,
            agentVersion: resource.version,
            bundleSha256: "0".repeat(64),
        };
    }
    if (type === "riptides:index:BindingStatus") {
        const reported = { state: "OK", message: "", reason: "", agent: "riptides/daemon/test" };
        return { ...reported, ...deliveredBy(resource, all) };
    }
    if (type === "kubernetes:core/v1:Secret" && inputs["type"] === "kubernetes.io/service-account-token") {
        return { data: { token: Buffer.from("service-account-token").toString("base64") } };
    }
    if (type.startsWith("kubernetes:")) {
        return { metadata: { ...(inputs["metadata"] as object), generation: 1 } };
    }
    return {};
}

/** What an agent would report of the binding: its file, and the addresses of the Services that its selectors match. */
function deliveredBy(status: RecordedResource, all: readonly RecordedResource[]) {
    const name = status.inputs["name"] as string;
    const objects = (kind: string) =>
        all.filter((resource) => resource.type === `kubernetes:core.riptides.io/v1alpha1:${kind}`);
    const binding = objects("CredentialBinding").find(
        (resource) => (resource.inputs["metadata"] as { name?: string }).name === name,
    );
    const agent = all.find((resource) => resource.type === "riptides:node:HostAgent");
    if (!binding || !agent) {
        return { files: [] };
    }
    const { workloadID, propagation } = binding.inputs["spec"] as CredentialBindingSpec;
    const path = () => credentialPath(spiffeId(agent.inputs["trustDomain"] as string, workloadID), name);
    const { sysfs, injection } = propagation;
    const services = objects("Service")
        .map((resource) => resource.inputs["spec"] as ServiceSpec)
        .filter(({ labels }) => injection && labelsMatch(labels, injection.selectors))
        .flatMap(({ addresses }) => addresses)
        .flatMap(({ address, aliases = [], port = 443 }) => [address, ...aliases].map((host) => ({ host, port })));
    return {
        files: sysfs ? [{ path: path(), type: "CREDENTIAL" }] : [],
        ...(injection ? { injection: { services } } : {}),
    };
}
