// SPDX-License-Identifier: Apache-2.0

/** The lab: real OpenBao, a real Kubernetes API, a virtual machine as the node and a simulator of the OpenAI API, on loopback. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Authority } from "./certificates";
import { which } from "./command";
import { requirePrograms } from "./debian";
import { guestImage } from "./guest-image";
import { startGuest } from "./guest";
import { placeHelper } from "./helper";
import { startKubernetes } from "./kubernetes";
import { labOf, type Lab } from "./lab";
import { placeModule } from "./module";
import { startSimulator } from "./openai-simulator";
import { engineCommand, engineVersion, placeEngine, startOpenBao } from "./openbao";
import { isRunning, startTicks, stop, type RunningPart } from "./part";
import { defaultName, labDirectory } from "./paths";
import { pluginPath } from "./plugins";
import { freePorts } from "./ports";
import { say, step } from "./progress";
import { portNames, readState, writeState, type GuestName, type LabState } from "./state";
import { tool, type ToolName } from "./tools";

export type { Lab, LabNode } from "./lab";
export type { ExecOptions, ExecResult } from "./ssh";
export { guestNames, type GuestName } from "./state";
export { placeHelper, tlsHelper } from "./helper";
export { buildForHost61, moduleFor } from "./module";
export { placeAwsEngine } from "./openbao";

export interface UpOptions {
    /** Several labs can run side by side; default `$RIPTIDES_LAB` or "default". */
    name?: string;
    /** Debian 13 with Linux 6.12 (default) or Debian 12 with 6.1. */
    guest?: GuestName;
    /** Leaves the lab running when this process ends. Otherwise it ends with it. */
    keep?: boolean;
    /** Whether the kernel module (for the guest) and the TLS helper are built into dist/bundle/; default true. */
    module?: boolean;
    /** Added to the guest's kernel command line. */
    kernelArguments?: string;
}

/** The executable file of a tool, made first if need be. */
export function toolPath(name: ToolName): Promise<string> {
    return tool(name);
}

/**
 * Brings up a lab: everything it needs is found, fetched or built, all parts are started and answer.
 * On failure all that was started is stopped; logs stay in the lab's directory.
 * @throws when a lab of that name is in use, or a part cannot be had or does not start
 */
export async function up(options: UpOptions = {}): Promise<Lab> {
    const name = options.name ?? defaultName();
    const directory = labDirectory(name);
    const guest = options.guest ?? "trixie";
    await clear(name, directory);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    await requirePrograms("flock");

    const authority = new Authority(join(directory, "certs"));
    const ports = await freePorts(portNames);
    const state: LabState = {
        version: 1,
        name,
        ready: false,
        owner: options.keep ? undefined : { pid: process.pid, startTicks: startTicks(process.pid) ?? "" },
        guest,
        ports,
        parts: [],
        bao: { token: "", unsealKey: "" },
        kube: { token: randomBytes(24).toString("base64url") },
        simulator: { adminKey: "", adminKeyId: "", organizationId: "", projectId: "" },
        engine: { command: engineCommand, sha256: "", version: engineVersion() },
        node: { hostKey: "", kernelRelease: "" },
        tools: { pulumi: "", bao: "" },
        pluginPath: [],
    };
    let failed = false;
    const started = (part: RunningPart) => {
        // A part that is started again takes the place of its first attempt.
        state.parts = [...state.parts.filter(({ name }) => name !== part.name), part];
        writeState(directory, state);
        if (failed) throw new Error(`${part.name} is not waited for: another part failed`);
    };
    writeState(directory, state);
    const release = endWithProcess(directory, state);
    try {
        const image = guestImage(guest);
        await step(`lab ${name}`, () =>
            allOrFirstError(
                [
                    async () => void (state.simulator = await startSimulator(directory, authority, ports, started)),
                    async () => void (state.bao = await startOpenBao(directory, authority, ports, started)),
                    async () => void (state.engine.sha256 = await placeEngine(directory)),
                    async () => startKubernetes(directory, authority, ports, state.kube.token, started),
                    async () => {
                        state.node = await startGuest(
                            directory,
                            await image,
                            authority.caPem,
                            ports,
                            started,
                            options.kernelArguments,
                        );
                    },
                    async () => {
                        if (options.module !== false) await placeModule(await image, guest);
                    },
                    async () => {
                        if (options.module !== false) await placeHelper();
                    },
                    async () => {
                        const [pulumi, bao] = await Promise.all([tool("pulumi"), tool("bao")]);
                        state.tools = { pulumi, bao, kubectl: which("kubectl") };
                        state.pluginPath = await pluginPath();
                    },
                ],
                () => {
                    failed = true;
                    return stopAll(directory, state);
                },
            ),
        );
        state.ready = true;
        writeState(directory, state);
        if (options.keep) release();
        return labOf(directory, state);
    } catch (error) {
        await stopAll(directory, state);
        release();
        throw error;
    }
}

/** The running lab of that name. @throws when there is none, or a part of it has ended */
export async function open(name: string = defaultName()): Promise<Lab> {
    const directory = labDirectory(name);
    const state = readState(directory);
    if (!state?.ready) throw new Error(`no lab ${name} is up: start it with "npm run lab -- up"`);
    const dead = state.parts.filter((part) => !isRunning(part));
    if (dead.length) {
        const names = dead.map((part) => `${part.name} (${part.log})`).join(", ");
        throw new Error(`lab ${name}: ${names} ended; run "npm run lab -- down" and "npm run lab -- up"`);
    }
    return labOf(directory, state);
}

/** Stops all parts of a lab and removes its keys, state and disk. Logs stay until the next start under that name. */
export async function down(lab: Pick<Lab, "name"> & Partial<Pick<Lab, "node">>): Promise<void> {
    const directory = labDirectory(lab.name);
    lab.node?.disconnect();
    const state = readState(directory);
    if (!state) return;
    await stopAll(directory, state);
    running.get(directory)?.();
    for (const entry of readdirSync(directory)) {
        if (!entry.endsWith(".log")) rmSync(join(directory, entry), { recursive: true, force: true });
    }
}

/** Makes room for a new lab: what a dead process left is stopped and removed; a lab that somebody uses is an error. */
async function clear(name: string, directory: string): Promise<void> {
    const state = readState(directory);
    if (state) {
        const alive = state.parts.filter(isRunning);
        if (alive.length && state.owner && isRunning(state.owner)) {
            throw new Error(
                `lab ${name} is in use by process ${state.owner.pid}: wait for it, or set RIPTIDES_LAB to another name`,
            );
        }
        if (alive.length && !state.owner && state.ready) {
            throw new Error(
                `lab ${name} is up already: use it, run "npm run lab -- down", or set RIPTIDES_LAB to another name`,
            );
        }
        if (alive.length)
            say(`stopping what an earlier run of lab ${name} left: ${alive.map((part) => part.name).join(", ")}`);
        await stopAll(directory, state);
    }
    if (existsSync(directory)) rmSync(directory, { recursive: true });
}

/** In the reverse order of their start: the API server before its etcd. */
async function stopAll(directory: string, state: LabState): Promise<void> {
    for (const part of [...state.parts].reverse()) await stop(part, directory);
}

const running = new Map<string, () => void>();

/** Ends the lab's parts when this process ends, however it ends (short of SIGKILL; clear() sees to that). */
function endWithProcess(directory: string, state: LabState): () => void {
    const end = () => {
        for (const part of state.parts) if (isRunning(part)) process.kill(part.pid, "SIGTERM");
    };
    const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
    const handlers = Object.entries(signals).map(([signal, code]) => {
        const handler = () => process.exit(code);
        process.once(signal, handler);
        return () => process.removeListener(signal, handler);
    });
    process.once("exit", end);
    const release = () => {
        process.removeListener("exit", end);
        handlers.forEach((remove) => remove());
        running.delete(directory);
    };
    running.set(directory, release);
    return release;
}

/** Runs all at once. When one fails, `failed` is called, the others come to an end (builds are kept), and its error is thrown. */
async function allOrFirstError(work: (() => Promise<unknown>)[], failed: () => Promise<void>): Promise<void> {
    let first: { error: unknown } | undefined;
    const fail = async (error: unknown) => {
        if (first) return;
        first = { error };
        say(
            `${error instanceof Error ? error.message : String(error)}\nlab: stopping; what is still being built is finished first`,
        );
        await failed();
    };
    await Promise.all(work.map((one) => one().catch(fail)));
    if (first) throw first.error;
}
