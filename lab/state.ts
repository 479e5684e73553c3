// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunningPart } from "./part";

export const guestNames = ["trixie", "bookworm", "debug"] as const;
/** Debian 13, Debian 12, or Debian 13 with the kernel of lab/debug-kernel.ts. */
export type GuestName = (typeof guestNames)[number];

export const portNames = [
    "bao",
    "baoCluster",
    "kube",
    "etcd",
    "etcdPeer",
    "simulator",
    "simulatorTls",
    "control",
    "ssh",
] as const;
export type PortName = (typeof portNames)[number];

/** Everything that is needed to talk to a running lab and to stop it. Holds the lab's own secrets: mode 0600, never printed. */
export interface LabState {
    version: 1;
    name: string;
    /** Set once every part is ready; a state without it is what a failed start left. */
    ready: boolean;
    /** The process that the lab belongs to; left out for a lab that is kept. */
    owner?: { pid: number; startTicks: string };
    guest: GuestName;
    ports: Record<PortName, number>;
    parts: RunningPart[];
    bao: { token: string; unsealKey: string };
    kube: { token: string };
    simulator: { adminKey: string; adminKeyId: string; organizationId: string; projectId: string };
    engine: { command: string; sha256: string; version: string };
    node: { hostKey: string; kernelRelease: string };
    tools: { pulumi: string; bao: string; kubectl?: string };
    pluginPath: string[];
}

const fileName = "state.json";

/** The state in a lab's directory, or undefined; an unreadable one is an error that names the file. */
export function readState(directory: string): LabState | undefined {
    const file = join(directory, fileName);
    if (!existsSync(file)) return undefined;
    let state: LabState;
    try {
        state = JSON.parse(readFileSync(file, "utf8")) as LabState;
    } catch (error) {
        throw new Error(
            `${file} is not JSON (${(error as Error).message}): stop its programs by hand (*.pid beside it) and remove the directory`,
        );
    }
    if (state.version !== 1)
        throw new Error(
            `${file} is of another version (${String(state.version)}): remove the directory once its programs are stopped`,
        );
    return state;
}

/** Replaces the state in one step. */
export function writeState(directory: string, state: LabState): void {
    const file = join(directory, fileName);
    writeFileSync(`${file}.new`, JSON.stringify(state, undefined, 2), { mode: 0o600 });
    renameSync(`${file}.new`, file);
}
