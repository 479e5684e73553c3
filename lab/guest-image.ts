// SPDX-License-Identifier: Apache-2.0
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact } from "./cache";
import { run } from "./command";
import { bootstrap, requirePrograms } from "./debian";
import { debugKernel } from "./debug-kernel";
import { keyOfSources } from "./digest";
import { repository } from "./paths";
import { size, step } from "./progress";
import type { GuestName } from "./state";

const packages = [
    "linux-image-amd64",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "procps",
    "iproute2",
    "openssh-server",
    "curl",
    "ca-certificates",
    "openssl",
    "python3-minimal",
];

const diskSize = "4G";

/** A bootable Debian, without anything of one lab in it. */
export interface GuestImage {
    directory: string;
    /** Raw ext4 file system, never written to: guests use overlays. */
    disk: string;
    kernel: string;
    /** Left out where the kernel has all it needs to mount its root. */
    initrd?: string;
    kernelRelease: string;
    memoryMb: number;
    bootLimitMs: number;
    /** Added to the kernel's command line. */
    kernelArguments?: string;
}

const guestSources = join(repository, "lab", "guest");

/** The image of a guest, from the cache or made by mmdebstrap from this machine's own Debian archive. Needs root to make. */
export async function guestImage(guest: GuestName): Promise<GuestImage> {
    return guest === "debug" ? debugImage() : debianImage(guest);
}

/**
 * The disk of Debian 13 with another kernel. What watches the memory needs much of it; under emulation, it is too slow for
 * the time limits of the firmware's interrupt tables and of systemd.
 */
async function debugImage(): Promise<GuestImage> {
    const [{ directory, disk }, { image, release }] = [await debianImage("trixie"), await debugKernel()];
    return {
        directory,
        disk,
        kernel: image,
        kernelRelease: release,
        memoryMb: 4096,
        bootLimitMs: 3_600_000,
        kernelArguments: "pci=noacpi systemd.default_timeout_start_sec=3600",
    };
}

async function debianImage(guest: Exclude<GuestName, "debug">): Promise<GuestImage> {
    const key = keyOfSources(guestSources, () => true, JSON.stringify([packages, diskSize]));
    const directory = await artifact("images", guest, key, async (place) => {
        await requirePrograms("mke2fs");
        await step(`making the ${guest} image (mmdebstrap)`, async (note) => {
            const root = join(place, "root");
            const log = join(place, "build.log");
            const early = ["etc/initramfs-tools/conf.d", "usr/share/initramfs-tools/modules.d"].map(
                (path) =>
                    `--essential-hook=mkdir -p "$1/${path}" && cp -a "${guestSources}/rootfs/${path}/." "$1/${path}/"`,
            );
            const hooks = [...early, `--customize-hook="${guestSources}/customize.sh" "$1"`];
            await bootstrap({ suite: guest, packages, hooks }, root, log, note);
            const release = readdirSync(join(root, "boot"))
                .find((name) => name.startsWith("vmlinuz-"))
                ?.slice("vmlinuz-".length);
            if (!release) throw new Error(`the ${guest} image holds no kernel; see ${log}`);
            cpSync(join(root, "boot", `vmlinuz-${release}`), join(place, "vmlinuz"));
            cpSync(join(root, "boot", `initrd.img-${release}`), join(place, "initrd"));
            writeFileSync(join(place, "kernel-release"), release);
            await run("mke2fs", ["-q", "-t", "ext4", "-d", root, join(place, "disk.raw"), diskSize], {
                log,
                nice: true,
            });
            rmSync(root, { recursive: true });
            note(size(statSync(join(place, "disk.raw")).blocks * 512));
        });
    });
    return {
        directory,
        disk: join(directory, "disk.raw"),
        kernel: join(directory, "vmlinuz"),
        initrd: join(directory, "initrd"),
        kernelRelease: readFileSync(join(directory, "kernel-release"), "utf8"),
        memoryMb: 1536,
        bootLimitMs: 600_000,
    };
}
