// SPDX-License-Identifier: Apache-2.0
import { RiptidesError, Selector, SelectorKeyName } from "../api";
import type { KernelFacts } from "../api/kernel-message";
import type { Executable, Host, Missing } from "./host";

/** One selector and where it stands in the object. */
export interface Alternative {
    selector: Selector;
    property: string;
}

/** What a workload's selectors are on this node. */
export interface Resolution {
    /** Conjunctions the kernel can check; empty when no alternative could be resolved. */
    facts: KernelFacts[];
    /** One for each alternative that could not be resolved. */
    failures: RiptidesError[];
}

/** Turns selectors into facts, each looked up once. */
export class FactTable {
    private readonly executables = new Map<string, Promise<Executable | Missing>>();
    private readonly lookups = new Map<string, Promise<KernelFacts>>();
    /** Digest of a file by path, for one version of it. */
    private static readonly digests = new Map<string, { version: string; digest: string }>();

    constructor(private readonly host: Host) {}

    async resolve(alternatives: readonly Alternative[]): Promise<Resolution> {
        const settled = await Promise.allSettled(alternatives.map((alternative) => this.lookUp(alternative)));
        return {
            facts: settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])),
            failures: settled.flatMap((result) =>
                result.status === "rejected" ? [unresolvable(result.reason as unknown)] : [],
            ),
        };
    }

    private lookUp(alternative: Alternative): Promise<KernelFacts> {
        const key = JSON.stringify([alternative.property, alternative.selector]);
        let found = this.lookups.get(key);
        if (!found) {
            found = this.factsOf(alternative);
            this.lookups.set(key, found);
        }
        return found;
    }

    private async factsOf({ selector, property }: Alternative): Promise<KernelFacts> {
        const facts: KernelFacts = {};
        const path = selector["process:binary:path"];
        const hash = selector["process:binary:hash"]?.replace("sha256:", "");
        const unit = selector["systemd:unit"];
        if (selector["process:uid"] !== undefined) {
            facts.uid = Number(selector["process:uid"]);
        }
        if (selector["process:gid"] !== undefined) {
            facts.gid = Number(selector["process:gid"]);
        }
        if (selector["process:name"] !== undefined) {
            facts.comm = selector["process:name"];
        }
        if (hash !== undefined) {
            facts.sha256 = Buffer.from(hash, "hex");
        }
        if (path !== undefined) {
            facts.executable = await this.executable(path, hash, property);
        }
        if (unit !== undefined) {
            const cgroup = await this.host.unitCgroup(unit);
            if ("missing" in cgroup) {
                throw unresolved(property, "systemd:unit", unit, cgroup.missing);
            }
            facts.cgroup = cgroup.path;
        }
        return facts;
    }

    private async executable(path: string, hash: string | undefined, property: string) {
        const looked = this.executables.get(path) ?? this.host.executable(path);
        this.executables.set(path, looked);
        const found = await looked;
        if ("missing" in found) {
            throw unresolved(property, "process:binary:path", path, found.missing);
        }
        if (found.script) {
            throw unresolved(
                property,
                "process:binary:path",
                path,
                "is a script, so its process runs the interpreter",
                "Name the interpreter's binary, and systemd:unit or process:uid beside it.",
            );
        }
        if (hash !== undefined) {
            const known = FactTable.digests.get(path);
            const digest = known?.version === found.version ? known.digest : await this.host.digest(path);
            FactTable.digests.set(path, { version: found.version, digest });
            if (digest !== hash) {
                throw unresolved(
                    property,
                    "process:binary:hash",
                    `sha256:${hash}`,
                    `is not that of ${path}: sha256:${digest}`,
                );
            }
        }
        return { major: found.major, minor: found.minor, inode: found.inode };
    }
}

function unresolved(property: string, key: SelectorKeyName, value: string, why: Missing["missing"], fix?: string) {
    return new RiptidesError("SelectorUnresolved", {
        property: `${property}.${key}`,
        reason: `${value} ${why}`,
        ...(fix ? { fix } : {}),
    });
}

function unresolvable(error: unknown): RiptidesError {
    return error instanceof RiptidesError
        ? error
        : new RiptidesError("SelectorUnresolved", {
              property: "spec.selectors",
              reason: `the node could not be asked: ${error instanceof Error ? error.message : String(error)}`,
              fix: "The agent asks again by itself; see `journalctl -u riptides-agent` on the node.",
          });
}
