// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { daemonWorkloadId, Duration, RiptidesError } from "../../api";
import type { Bundle } from "./bundle";
import { configurationText, type Inputs } from "./inputs";
import { unload, load, provide, type ReadyModule } from "./kernel-module-on-node";
import { helperUnitName, layout, unitName } from "./layout";
import { environment, type Manifest, type NodeState, type UnitState } from "./node-state";
import { expectSuccess, type Session } from "./session";
import { startAgent } from "./start";
import { provideHelper, removeHelper, startHelper, type ReadyHelper } from "./tls-helper";
import { upload, type Placement } from "./upload";

/** Who is being installed. */
export interface Identity {
    agentId: string;
    /** UUID made by create; see {@link Manifest}. */
    installation: string;
}

/** What is known of a node after an installation. */
export type Installed = Identity & {
    publicKey: string;
    workloadId: string;
    hostname: string;
    kernelRelease: string;
    moduleVersion: string;
    agentVersion: string;
    bundleSha256: string;
};

/** Where an installation tells what it does. */
export interface Report {
    status(text: string): void;
    log(severity: "info" | "warning", text: string): void;
}

const steps = 7;
const megabyte = 1_000_000;
// Making a key and sealing it: seconds on metal, more on an emulated machine without a TPM.
const initTimeout = Duration.seconds(180);

/**
 * Brings one node to what is wanted. Everything that is right already is left alone, so that a second run continues a
 * half-made one, and a run without a difference changes nothing and restarts nothing.
 */
export class Installation {
    /** Something may have been changed on the node. */
    begun = false;
    private readonly files: Placement[];

    constructor(
        private readonly session: Session,
        private readonly state: NodeState,
        private readonly bundle: Bundle,
        private readonly inputs: Inputs,
        private readonly identity: Identity,
        private readonly report: Report,
    ) {
        this.files = [
            { path: layout.agent, mode: "0644", content: bundle.agent },
            { path: layout.unit, mode: "0644", content: bundle.unit },
            {
                path: layout.configuration,
                mode: "0644",
                content: textContent(configurationText(identity.agentId, inputs, layout.module)),
            },
        ];
    }

    /**
     * @param sealToken the token has changed since it was sealed on the node
     * @throws RiptidesError
     */
    async run(sealToken: boolean): Promise<Installed> {
        const { state, session, bundle } = this;
        const before = state.manifest;
        const runtime: Placement = { path: layout.runtime, mode: "0755", content: bundle.runtime };
        const changed = this.files.filter((file) => !this.isThere(file));
        const seal = sealToken || !state.sealed.cluster || !before?.complete;
        this.begun = true;

        if (!this.isThere(runtime)) {
            const size = Math.round(bundle.runtime.size / megabyte);
            this.step(2, `uploading runtime, ${size} MB`);
            await upload(session, [this.note(false), runtime], this.percent(2, `uploading runtime, ${size} MB`));
        } else if (changed.length > 0 || seal || before?.bundleSha256 !== bundle.sha256) {
            await upload(session, [this.note(false)]);
        }
        this.step(3, "kernel module");
        const module = await provide(session, state, bundle, (text) => this.step(3, text));
        const reload = state.loaded !== undefined && state.loaded.sourceVersion !== module.sourceVersion;
        if (reload) {
            this.step(3, "kernel module: replacing the one that is loaded; keys are revoked and made anew");
            await unload(session, state, this.report);
        }
        this.step(4, "agent and TLS helper");
        const helper = await provideHelper(session, state, bundle, this.helperReport);
        if (changed.length > 0) {
            await upload(session, changed);
        }
        const reloaded = reload || state.loaded === undefined;
        if (reloaded) {
            this.step(4, "loading the kernel module");
            await load(session);
        }
        if (!helper) {
            await removeHelper(session, state);
        } else if (helper.changed || reloaded || !isUp(state.helper)) {
            this.step(4, "starting the TLS helper");
            await startHelper(session);
        }
        this.step(5, "identity");
        const publicKey = await this.publicKey();
        if (seal) {
            this.step(6, "sealing the cluster token");
            await this.sealToken();
        }
        const restart = changed.length > 0 || seal || reloaded || !this.isThere(runtime);
        if (restart || !isUp(state.unit)) {
            await startAgent(session, this.inputs.readyTimeout, (text) => this.step(7, text));
        }
        await upload(session, [this.note(true, publicKey, module, helper)]);
        return {
            ...this.identity,
            publicKey,
            workloadId: daemonWorkloadId(this.identity.agentId),
            hostname: state.hostname,
            kernelRelease: state.kernelRelease,
            moduleVersion: module.version,
            agentVersion: bundle.agent.version,
            bundleSha256: bundle.sha256,
        };
    }

    private readonly helperReport = {
        status: (text: string) => this.step(4, text),
        log: (severity: "warning", text: string) => this.report.log(severity, text),
    };

    private step(number: number, text: string): void {
        this.report.status(`[${number}/${steps}] ${text}`);
    }

    private percent(number: number, text: string): (done: number, total: number) => void {
        let shown = 0;
        return (done, total) => {
            const percent = Math.floor((done / total) * 10) * 10;
            if (percent > shown) {
                shown = percent;
                this.step(number, `${text}, ${percent} %`);
            }
        };
    }

    private isThere({ path, content }: Placement): boolean {
        return this.state.files[path] === content.sha256;
    }

    // A key that is there is kept: whoever trusts it goes on trusting it.
    private async publicKey(): Promise<string> {
        const { state, session } = this;
        const known = state.manifest?.complete && state.sealed.identity && state.manifest.publicKey;
        if (known && state.configuration?.["agentId"] === this.identity.agentId) {
            return known;
        }
        const script = `${environment}
mkdir -p -m 0700 ${layout.credentials} && exec ${layout.runtime} ${layout.agent} init --config ${layout.configuration}`;
        const output = await expectSuccess(session, "making the agent's identity", script, { timeout: initTimeout });
        const line = output.trim().split("\n").at(-1) ?? "";
        const made = parseInit(line);
        if (made?.agentId !== this.identity.agentId || !made.publicKey?.includes("BEGIN PUBLIC KEY")) {
            throw new RiptidesError("NodeCommand", {
                reason: `the agent on ${session.node} gave no identity for ${this.identity.agentId}`,
                fix: "The bundle's agent.js does not fit this provider: install both from the same version.",
            });
        }
        return made.publicKey;
    }

    private async sealToken(): Promise<void> {
        const script = `${environment}; umask 077
set -e
mkdir -p -m 0700 ${layout.credentials}
rm -f ${layout.cluster}.new
systemd-creds encrypt --name=cluster - ${layout.cluster}.new
mv -f ${layout.cluster}.new ${layout.cluster}`;
        await expectSuccess(this.session, "sealing the cluster token", script, {
            stdin: Buffer.from(this.inputs.cluster.token.reveal()),
        });
    }

    private note(complete: boolean, publicKey?: string, module?: ReadyModule, helper?: ReadyHelper): Placement {
        const before = this.state.manifest;
        const { bundle } = this;
        const manifest: Manifest = {
            installation: this.identity.installation,
            complete,
            bundleSha256: complete ? bundle.sha256 : (before?.bundleSha256 ?? ""),
            agentVersion: complete ? bundle.agent.version : (before?.agentVersion ?? ""),
            publicKey: publicKey ?? before?.publicKey ?? "",
            files: module
                ? {
                      [layout.runtime]: bundle.runtime.sha256,
                      [layout.module]: module.sha256,
                      ...helper?.files,
                      ...Object.fromEntries(this.files.map(({ path, content }) => [path, content.sha256])),
                  }
                : (before?.files ?? {}),
            module: module?.note ??
                before?.module ?? { kernelRelease: this.state.kernelRelease, version: "", sourceVersion: "" },
            helper: complete ? helper?.note : before?.helper,
        };
        return {
            path: layout.manifest,
            mode: "0644",
            content: textContent(`${JSON.stringify(manifest, undefined, 4)}\n`),
        };
    }
}

/** What refresh says of a node: `running`, or everything that is not as the installer left it. */
export function conditionOf(state: NodeState, agentId: string): string {
    const { manifest, sealed, loaded, files } = state;
    const wrong: string[] = [];
    if (state.configuration?.["agentId"] !== agentId) {
        wrong.push(`${layout.configuration} does not name this agent`);
    }
    if (!sealed.identity) {
        wrong.push("the agent's key is missing");
    }
    if (!sealed.cluster) {
        wrong.push("the sealed cluster token is missing");
    }
    if (!manifest?.complete) {
        wrong.push("the installation is incomplete");
    } else {
        for (const [path, sha256] of Object.entries(manifest.files)) {
            if (files[path] !== sha256) {
                wrong.push(`${path} is ${files[path] ? "not the one installed" : "missing"}`);
            }
        }
        if (manifest.module.kernelRelease !== state.kernelRelease) {
            wrong.push(`the kernel is ${state.kernelRelease}, the module is for ${manifest.module.kernelRelease}`);
        }
        if (loaded && loaded.sourceVersion !== manifest.module.sourceVersion) {
            wrong.push(`the kernel has another module (version ${loaded.version})`);
        }
    }
    if (!loaded) {
        wrong.push("the kernel module is not loaded");
    }
    wrong.push(...unitFaults(unitName, state.unit));
    if (manifest?.helper) {
        wrong.push(...unitFaults(helperUnitName, state.helper));
        if (!state.tls) {
            wrong.push("the kernel has no TLS for the TLS helper");
        }
    }
    return wrong.join("; ") || "running";
}

function isUp(unit: UnitState): boolean {
    return unit.enabled && unit.active === "active";
}

function unitFaults(name: string, unit: UnitState): string[] {
    if (!unit.loaded) {
        return [`${name} is missing`];
    }
    return [
        ...(unit.enabled ? [] : [`${name} is not enabled`]),
        ...(unit.active === "active" ? [] : [`${name} is ${unit.active}`]),
    ];
}

function textContent(text: string): { text: string; size: number; sha256: string } {
    return { text, size: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}

function parseInit(line: string): { agentId?: string; publicKey?: string } | undefined {
    try {
        return JSON.parse(line) as { agentId?: string; publicKey?: string };
    } catch {
        return undefined;
    }
}
