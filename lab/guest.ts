// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { utils } from "ssh2";
import { hostFromGuest } from "./certificates";
import { run } from "./command";
import { requirePrograms } from "./debian";
import type { GuestImage } from "./guest-image";
import { Machine, type MachineOptions } from "./machine";
import { stop, untilReady, type RunningPart } from "./part";
import { overlay, preparedGuest, type PreparedGuest } from "./prepared-guest";
import { say } from "./progress";
import type { LabState, PortName } from "./state";

const wakeLimitMs = 180_000;

/** The keys of one lab's node; the private one of the node itself goes nowhere else. */
interface NodeKeys {
    hostPrivate: string;
    hostPublic: string;
    userPublic: string;
}

export function privateKeyFile(directory: string): string {
    return join(directory, "node.key");
}

function makeKeys(directory: string): NodeKeys {
    const host = utils.generateKeyPairSync("ed25519", { comment: "riptides-lab-node" });
    const user = utils.generateKeyPairSync("ed25519", { comment: "riptides-lab" });
    writeFileSync(privateKeyFile(directory), user.private, { mode: 0o600 });
    return { hostPrivate: host.private, hostPublic: host.public, userPublic: user.public };
}

/** What the guest's riptides-lab-identity service unpacks over its root. */
async function identityArchive(
    directory: string,
    keys: NodeKeys,
    caPem: string,
    simulatorTls: number,
): Promise<Buffer> {
    const root = join(directory, "identity");
    rmSync(root, { recursive: true, force: true });
    const put = (path: string, content: string | Buffer, mode: number) => {
        mkdirSync(join(root, path, ".."), { recursive: true });
        writeFileSync(join(root, path), content, { mode });
    };
    put("etc/ssh/ssh_host_ed25519_key", keys.hostPrivate, 0o600);
    put("etc/ssh/ssh_host_ed25519_key.pub", `${keys.hostPublic}\n`, 0o644);
    put("root/.ssh/authorized_keys", `${keys.userPublic}\n`, 0o600);
    put("usr/local/share/ca-certificates/riptides-lab.crt", caPem, 0o644);
    put("etc/riptides-lab.env", `SIMULATOR=${hostFromGuest}:${simulatorTls}\n`, 0o644);
    put("run/riptides-lab/entropy", randomBytes(512), 0o600);
    const archive = join(directory, "identity.tar");
    // Leading directories are left out: they are the guest's, with their owners and modes.
    const files = ["--owner=0", "--group=0", "--numeric-owner", "-C", root, "--no-recursion"];
    const { stdout } = await run("find", [root, "-type", "f", "-printf", "%P\\n"]);
    await run("tar", ["--create", `--file=${archive}`, ...files, "--files-from=-"], { stdin: stdout });
    const content = readFileSync(archive);
    rmSync(root, { recursive: true });
    rmSync(archive);
    return content;
}

/** Starts the guest and waits until sshd can be reached with the lab's keys. */
export async function startGuest(
    directory: string,
    image: GuestImage,
    caPem: string,
    ports: Record<PortName, number>,
    started: (part: RunningPart) => void,
    kernelArguments?: string,
): Promise<LabState["node"]> {
    await requirePrograms("qemu-system-x86_64", "qemu-img", "tar");
    const keys = makeKeys(directory);
    const archive = await identityArchive(directory, keys, caPem, ports.simulatorTls);
    const disk = join(directory, "node.qcow2");
    const options = { directory, image, disk, sshPort: ports.ssh, kernelArguments };
    const prepared = kernelArguments === undefined ? await preparedGuest(image) : undefined;
    const machine =
        (prepared && (await wake(options, prepared, archive, started))) ?? (await coldStart(options, archive, started));
    await untilReady(machine.part, "sshd did not answer", image.bootLimitMs, () => greets(ports.ssh));
    machine.release();
    return { hostKey: keys.hostPublic.split(" ").slice(0, 2).join(" "), kernelRelease: image.kernelRelease };
}

async function coldStart(
    options: MachineOptions,
    archive: Buffer,
    started: (part: RunningPart) => void,
): Promise<Machine> {
    await overlay(options.disk, options.image.disk, "raw");
    const machine = await Machine.power(options, started);
    await machine.identity.says("waiting", options.image.bootLimitMs);
    machine.identity.send(archive);
    await machine.identity.says("ready", options.image.bootLimitMs);
    return machine;
}

/** Wakes a prepared guest; when that fails, answers undefined and nothing is left of the attempt. */
async function wake(
    options: MachineOptions,
    prepared: PreparedGuest,
    archive: Buffer,
    started: (part: RunningPart) => void,
): Promise<Machine | undefined> {
    let part: RunningPart | undefined;
    try {
        await overlay(options.disk, prepared.disk, "qcow2");
        const machine = await Machine.power({ ...options, memory: prepared.memory }, (running) =>
            started((part = running)),
        );
        // It was saved at a halt. What the port is given before the saved state has been read would be lost.
        await untilReady(machine.part, "memory not read", wakeLimitMs, async () => {
            return (await machine.qmp.execute<{ status: string }>("query-status")).status === "paused";
        });
        await machine.qmp.execute("cont");
        machine.identity.send(archive);
        await machine.identity.says("ready", wakeLimitMs);
        return machine;
    } catch (error) {
        say(`the prepared guest cannot be woken, starting a cold one: ${(error as Error).message}`);
        if (part) await stop(part, options.directory);
        prepared.discard();
        return undefined;
    }
}

/** Whether an SSH server greets on a port. */
function greets(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const socket = connect({ host: "127.0.0.1", port });
        const end = (answer: boolean) => {
            socket.destroy();
            resolve(answer);
        };
        socket.setTimeout(2000, () => end(false));
        socket.once("data", (chunk: Buffer) => end(chunk.toString("latin1").startsWith("SSH-2.0")));
        socket.once("close", () => end(false));
        socket.once("error", () => end(false));
    });
}
