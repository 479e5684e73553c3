// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, CommandError } from "./command";

const probeLimitMs = 8_000;

// A boot sector that does `out 0x501, al` with al = 16: QEMU's debug-exit device ends with status 16 * 2 + 1.
const program = [0xba, 0x01, 0x05, 0xb0, 0x10, 0xee, 0xf4];
const passed = 33;

let known: Promise<string[]> | undefined;

/**
 * QEMU arguments for the fastest processor that works here. Some machines have a /dev/kvm that fails or hangs as soon as a
 * guest runs, so a seven-byte guest is tried with a time limit.
 */
export function acceleratorArguments(): Promise<string[]> {
    known ??= probe().then((kvm) =>
        kvm ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi", "-cpu", "max"],
    );
    return known;
}

async function probe(): Promise<boolean> {
    const directory = mkdtempSync(join(tmpdir(), "riptides-kvm-"));
    try {
        const sector = Buffer.alloc(512);
        Buffer.from(program).copy(sector);
        sector.writeUInt16LE(0xaa55, 510);
        const disk = join(directory, "sector");
        writeFileSync(disk, sector);
        const devices = ["-nodefaults", "-display", "none", "-device", "isa-debug-exit", "-m", "16"];
        const drive = ["-drive", `file=${disk},format=raw,if=ide,readonly=off`];
        const result = await attempt("qemu-system-x86_64", ["-accel", "kvm", "-cpu", "host", ...devices, ...drive], {
            timeoutMs: probeLimitMs,
        });
        return result.code === passed;
    } catch (error) {
        // Stopped at its time limit: that is the answer.
        if (error instanceof CommandError) return false;
        throw error;
    } finally {
        rmSync(directory, { recursive: true, force: true });
    }
}
