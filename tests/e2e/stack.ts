// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import {
    type ConfigMap,
    type EngineEvent,
    LocalWorkspace,
    type OutputMap,
    type PulumiFn,
    PulumiCommand,
    Stack,
} from "@pulumi/pulumi/automation";
import type { FailureCode } from "../../api";
import type { Lab } from "../../lab";
import { root } from "../suites";

/** A step of a preview or update: what happens to a resource, and which properties differ. */
export interface Step {
    type: string;
    name: string;
    op: string;
    /** Paths of the properties that differ, as the provider's detailed diff names them. */
    fields: string[];
}

/** What a run printed and did. */
export interface Run {
    stdout: string;
    /** What changes; reading a resource again is no change. */
    steps: Step[];
    /** How many resources changed, by kind of change. */
    changes: Record<string, number>;
    outputs: OutputMap;
}

/** A stack of an inline program on the real engine with a local state file. Everything it prints is kept for the canary search. */
export class LabStack {
    /** Everything that this stack's runs have printed. */
    readonly printed: string[] = [];
    private configured: string[] = [];

    private constructor(
        private readonly stack: Stack,
        /** Folder of the state files. */
        readonly stateDirectory: string,
    ) {}

    /** Creates the stack `name` of a program of examples/, or opens the one an earlier call in this lab has made. */
    static async open(lab: Lab, name: string, example: string): Promise<LabStack> {
        const home = join(lab.dir, "pulumi");
        const stateDirectory = join(home, "state");
        const work = join(home, name);
        mkdirSync(stateDirectory, { recursive: true });
        mkdirSync(work, { recursive: true });
        // The example's own project file, its plugin path led to this checkout.
        const project = readFileSync(join(root, "examples", example, "Pulumi.yaml"), "utf8");
        writeFileSync(join(work, "Pulumi.yaml"), project.replaceAll("node_modules/pulumi-riptides", root));
        const stack = await LocalWorkspace.createOrSelectStack(
            { stackName: name, projectName: example, program: exampleProgram(example) },
            {
                workDir: work,
                pulumiHome: join(home, "home"),
                pulumiCommand: await PulumiCommand.get({ root: installRoot(lab), skipVersionCheck: false }),
                envVars: {
                    PULUMI_BACKEND_URL: `file://${stateDirectory}`,
                    PATH: [...lab.pluginPath, process.env["PATH"]].join(delimiter),
                    PULUMI_CONFIG_PASSPHRASE: passphrase(lab),
                    PULUMI_SKIP_UPDATE_CHECK: "true",
                    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
                    VAULT_ADDR: lab.bao.address,
                    VAULT_TOKEN: lab.bao.token,
                    VAULT_CACERT: lab.bao.caFile,
                    KUBECONFIG: lab.kube.kubeconfigFile,
                },
            },
        );
        return new LabStack(stack, stateDirectory);
    }

    /** Replaces the stack's configuration. */
    async configure(config: ConfigMap): Promise<void> {
        await this.stack.setAllConfig(config);
        const gone = this.configured.filter((key) => !(key in config));
        if (gone.length > 0) {
            await this.stack.removeAllConfig(gone);
        }
        this.configured = Object.keys(config);
    }

    preview(): Promise<Run> {
        return this.run(
            (options) => this.stack.preview({ ...options, diff: true }),
            () => ({}),
        );
    }

    /** @param continueOnError goes on with what does not depend on a failed resource */
    up({ continueOnError = false } = {}): Promise<Run> {
        return this.run(
            (options) => this.stack.up({ ...options, continueOnError }),
            (result) => result.outputs,
        );
    }

    /** `up` that must fail with this code: what it said, and the line that ends with the code. */
    async refused(code: FailureCode): Promise<{ said: string; line: string }> {
        const said = await this.up({ continueOnError: true }).then(
            () => assert.fail("up succeeded"),
            (error: Error) => error.message,
        );
        const line = said.split("\n").find((text) => text.includes(`[${code}]`));
        assert.ok(line, `no line ends with [${code}] in:\n${said}`);
        return { said, line };
    }

    refresh(): Promise<Run> {
        return this.run(
            (options) => this.stack.refresh(options),
            () => ({}),
        );
    }

    destroy(): Promise<Run> {
        return this.run(
            (options) => this.stack.destroy(options),
            () => ({}),
        );
    }

    /** Forgets the stack; its resources must be gone. */
    async remove(): Promise<void> {
        await this.stack.workspace.removeStack(this.stack.name);
    }

    private async run<R extends { stdout: string }>(
        start: (options: {
            onOutput: (text: string) => void;
            onError: (text: string) => void;
            onEvent: (event: EngineEvent) => void;
            color: "never";
        }) => Promise<R>,
        outputs: (result: R) => OutputMap,
    ): Promise<Run> {
        const steps: Step[] = [];
        const keep = (text: string) => {
            this.printed.push(text);
        };
        let changes: Record<string, number> = {};
        const result = await start({
            color: "never",
            onOutput: keep,
            onError: keep,
            onEvent: (event) => {
                changes = event.summaryEvent?.resourceChanges ?? changes;
                const metadata = event.resourcePreEvent?.metadata;
                if (metadata && metadata.op !== "same" && metadata.op !== "refresh") {
                    steps.push({
                        type: metadata.type,
                        name: metadata.urn.split("::").at(-1) ?? "",
                        op: metadata.op,
                        fields: Object.keys(metadata.detailedDiff ?? {}).sort(),
                    });
                }
            },
        });
        return { stdout: result.stdout, steps, changes, outputs: outputs(result) };
    }
}

/** The Automation API wants a folder with `bin/pulumi`. */
function installRoot(lab: Lab): string {
    const folder = join(lab.dir, "pulumi-cli");
    mkdirSync(join(folder, "bin"), { recursive: true });
    try {
        symlinkSync(lab.tools.pulumi, join(folder, "bin", "pulumi"));
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
            throw error;
        }
    }
    return folder;
}

/** One passphrase a lab, kept beside its state so that a lab left running can be used again. */
function passphrase(lab: Lab): string {
    const file = join(lab.dir, "pulumi", "passphrase");
    if (!existsSync(file)) {
        writeFileSync(file, randomBytes(16).toString("hex"), { mode: 0o600 });
    }
    return readFileSync(file, "utf8");
}

/** Makes an example resolve `pulumi-riptides` to this checkout, as `npm install pulumi-riptides` would make it resolve to the package. */
function linkExample(example: string): void {
    const modules = join(root, "examples", example, "node_modules");
    mkdirSync(modules, { recursive: true });
    try {
        symlinkSync(root, join(modules, "pulumi-riptides"));
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
            throw error;
        }
    }
}

/** The program of an example, loaded anew at each run as the Pulumi language host does. */
function exampleProgram(example: string): PulumiFn {
    linkExample(example);
    const entry = join(root, "examples", example, "index.ts");
    return async () => {
        delete require.cache[entry];
        return { ...(require(entry) as Record<string, unknown>) };
    };
}
