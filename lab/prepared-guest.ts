// SPDX-License-Identifier: Apache-2.0
import { renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { acceleratorArguments } from "./accelerator";
import { artifact } from "./cache";
import { run } from "./command";
import { keyOf } from "./digest";
import type { GuestImage } from "./guest-image";
import { hardware, Machine } from "./machine";
import { stop, type RunningPart } from "./part";
import { size, step } from "./progress";
import { setTimeout as pause } from "node:timers/promises";

const saveLimitMs = 120_000;

/** A guest that has booted and waits for its identity, on disk: waking it takes seconds where a boot without KVM takes a minute. */
export interface PreparedGuest {
    /** qcow2, the base of overlays. */
    disk: string;
    memory: string;
    /** Forgets it: it will be made again. */
    discard(): void;
}

/** Makes an empty qcow2 disk over another, which it leaves unchanged. */
export async function overlay(disk: string, base: string, format: "raw" | "qcow2"): Promise<void> {
    rmSync(disk, { force: true });
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", format, disk]);
}

/**
 * The prepared guest of an image, booted and saved on first use; undefined with KVM, where a boot is quick, and for Linux 6.1,
 * which stays silent on its serial port once woken (seen with 6.1.0-50 on QEMU 7.2), and for the debug kernel, which is rarely started.
 */
export async function preparedGuest(image: GuestImage): Promise<PreparedGuest | undefined> {
    const accelerator = await acceleratorArguments();
    if (accelerator.includes("kvm") || image.kernelRelease.startsWith("6.1.") || !image.initrd) return undefined;
    const { stdout: version } = await run("qemu-system-x86_64", ["--version"]);
    const name = `${basename(image.directory).replace(/-[0-9a-f]{16}$/, "")}-prepared`;
    // Saved memory is read by the very QEMU and hardware that wrote it.
    const key = keyOf(image.directory, version, String(image.memoryMb), ...accelerator, ...hardware);
    const directory = await artifact("images", name, key, (place) =>
        step(`booting the ${image.kernelRelease} guest once, to be woken from memory later`, async (note) => {
            const disk = join(place, "disk.qcow2");
            await overlay(disk, image.disk, "raw");
            let part: RunningPart | undefined;
            try {
                const machine = await Machine.power({ directory: place, image, disk }, (running) => (part = running));
                await machine.identity.says("waiting", image.bootLimitMs);
                await save(machine, join(place, "memory"));
                machine.release();
            } finally {
                if (part) await stop(part, place);
            }
            note(size(statSync(join(place, "memory")).size));
        }),
    );
    return {
        disk: join(directory, "disk.qcow2"),
        memory: join(directory, "memory"),
        discard: () => rmSync(directory, { recursive: true, force: true }),
    };
}

async function save(machine: Machine, file: string): Promise<void> {
    await machine.qmp.execute("stop");
    await machine.qmp.execute("migrate-set-parameters", { "max-bandwidth": 1 << 30 });
    await machine.qmp.execute("migrate", { uri: `exec:cat > '${file}.part'` });
    for (const deadline = Date.now() + saveLimitMs; ; await pause(200)) {
        const { status } = await machine.qmp.execute<{ status: string }>("query-migrate");
        if (status === "completed") break;
        if (status === "failed" || Date.now() > deadline)
            throw new Error(`the guest's memory cannot be saved: ${status}`);
    }
    await machine.qmp.execute("quit");
    renameSync(`${file}.part`, file);
}
