// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { Duration, messageOf, RiptidesError } from "../../api";
import type { OpenBao } from "../openbao";
import type { Context } from "../protocol";

const cleanUp = Duration.seconds(30);

/** An entry of the plugin catalog, without its environment, which the server does not give back. */
export interface Entry {
    command: string;
    sha256: string;
    args: string[];
    /** Made from the server's configuration file. */
    declarative: boolean;
}

/** A mount that runs a plugin. */
export interface RunningMount {
    /** Without a slash at its end. */
    path: string;
    /** What it shall run: empty when nobody chose. */
    wantedVersion: string;
    runningVersion: string;
    runningSha256: string;
}

/** The catalog and the mounts of one plugin of type secret. */
export class Catalog {
    constructor(
        private readonly openbao: OpenBao,
        private readonly name: string,
        private readonly context: Context,
    ) {}

    /** The same, for cleaning up: works on after the operation was cancelled or ran out of time. */
    afterwards(): Catalog {
        const signal = AbortSignal.timeout(cleanUp.milliseconds);
        return new Catalog(this.openbao, this.name, { ...this.context, signal });
    }

    async entry(version: string): Promise<Entry | undefined> {
        const data = await this.openbao.read(this.#path(version), this.context.signal);
        return (
            data && {
                command: String(data["command"]),
                sha256: String(data["sha256"]),
                args: (data["args"] as string[] | null) ?? [],
                declarative: data["declarative"] === true,
            }
        );
    }

    /** @param environment `NAME=value` texts */
    async register(version: string, entry: Omit<Entry, "declarative">, environment: string[]): Promise<void> {
        const body = { version, command: entry.command, sha256: entry.sha256, args: entry.args, env: environment };
        await this.openbao.write(`sys/plugins/catalog/secret/${this.name}`, body, this.context.signal);
    }

    async deregister(version: string): Promise<void> {
        await this.openbao.delete(this.#path(version), this.context.signal);
    }

    /** Starts a version once, by mounting it where nobody looks. @throws RiptidesError `PluginChecksum` and the like */
    async tryOut(version: string): Promise<void> {
        const path = `sys/mounts/riptides-try-${randomBytes(6).toString("hex")}`;
        const body = {
            type: this.name,
            description: "riptides:openai:Plugin tries a plugin version; safe to unmount",
            config: { plugin_version: version },
        };
        // A request that was cut off may have been carried out.
        const unmount = () => this.openbao.delete(path, AbortSignal.timeout(cleanUp.milliseconds));
        try {
            await this.openbao.write(path, body, this.context.signal);
        } catch (error) {
            await unmount().catch((second: unknown) => {
                this.context.log("error", `${path} may be left: ${messageOf(second)}`);
            });
            throw error;
        }
        await unmount();
    }

    /** Mounts of the plugin's type, or those of them that are named. One that is made later starts with the catalog's version anyway. */
    async mounts(named: readonly string[] | undefined): Promise<RunningMount[]> {
        const all = (await this.openbao.read("sys/mounts", this.context.signal)) ?? {};
        const mounts = Object.entries(all as Record<string, MountData>)
            .filter(([, mount]) => mount.type === this.name)
            .map(([path, mount]) => ({
                path: path.replace(/\/$/, ""),
                wantedVersion: mount.plugin_version ?? "",
                runningVersion: mount.running_plugin_version ?? "",
                runningSha256: mount.running_sha256 ?? "",
            }));
        return named ? mounts.filter((mount) => named.includes(mount.path)) : mounts;
    }

    /** Brings mounts to a version, and back to what they ran when one does not come up. */
    async switchTo(version: string, sha256: string, mounts: readonly RunningMount[]): Promise<void> {
        if (mounts.length === 0) {
            return;
        }
        try {
            await this.#reload(mounts.map((mount) => ({ path: mount.path, version })));
            const paths = mounts.map((mount) => mount.path);
            const stale = (await this.mounts(paths)).find(
                (mount) => mount.runningVersion !== version || mount.runningSha256 !== sha256,
            );
            if (stale) {
                throw new RiptidesError("PluginChecksum", {
                    property: "sha256",
                    reason: `after the reload ${stale.path} runs ${stale.runningVersion} (${stale.runningSha256}), not ${version} (${sha256})`,
                });
            }
        } catch (error) {
            const before = mounts.map((mount) => ({ path: mount.path, version: mount.wantedVersion }));
            await this.afterwards()
                .#reload(before)
                .catch((second: unknown) => {
                    this.context.log("error", `the mounts could not be set back: ${messageOf(second)}`);
                });
            throw error;
        }
    }

    async #reload(targets: readonly { path: string; version: string }[]): Promise<void> {
        for (const { path, version } of targets) {
            this.context.status(`setting ${path} to ${version}`);
            await this.openbao.write(`sys/mounts/${path}/tune`, { plugin_version: version }, this.context.signal);
        }
        const mounts = targets.map(({ path }) => `${path}/`);
        this.context.status(`reloading ${mounts.join(", ")}`);
        await this.openbao.write("sys/plugins/reload/backend", { mounts }, this.context.signal);
    }

    #path(version: string): string {
        return `sys/plugins/catalog/secret/${this.name}?version=${encodeURIComponent(version)}`;
    }
}

interface MountData {
    type?: string;
    plugin_version?: string;
    running_plugin_version?: string;
    running_sha256?: string;
}
