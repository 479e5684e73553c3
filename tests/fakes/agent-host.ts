// SPDX-License-Identifier: Apache-2.0
import type { Cgroup, Executable, Host, Missing } from "../../agent/host";

/** A node whose programs and units are what the test says. */
export class FakeHost implements Host {
    readonly hostname = "node-1";
    readonly kernelRelease = "6.12.0-fake";
    readonly executables = new Map<string, { inode: bigint; script?: boolean; digest?: string }>();
    readonly units = new Map<string, string>();
    readonly notified: { ready?: boolean; status?: string }[] = [];
    kernelTls = true;
    private onChange: (() => void) | undefined;

    async executable(path: string): Promise<Executable | Missing> {
        const found = this.executables.get(path);
        return found
            ? { major: 8, minor: 1, inode: found.inode, version: String(found.inode), script: found.script ?? false }
            : { missing: "does not exist" };
    }

    async digest(path: string): Promise<string> {
        return this.executables.get(path)?.digest ?? "";
    }

    async unitCgroup(unit: string): Promise<Cgroup> {
        const path = this.units.get(unit);
        return path === undefined ? { missing: "is not known to systemd" } : { path };
    }

    async hasKernelTls(): Promise<boolean> {
        return this.kernelTls;
    }

    observe(_paths: readonly string[], _units: readonly string[], onChange: () => void): void {
        this.onChange = onChange;
    }

    /** Something happened in a directory that is observed. */
    change(): void {
        this.onChange?.();
    }

    async notify(state: { ready?: boolean; status?: string }): Promise<void> {
        this.notified.push(state);
    }

    close(): void {
        this.onChange = undefined;
    }
}
