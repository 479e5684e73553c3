// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../../api";
import { helperUnitName, layout, moduleName, unitName } from "./layout";
import { ordinaryTimeout, type Session } from "./session";
import { sanitise } from "./sanitise";

/** What the installer notes on the node as its last act. */
export interface Manifest {
    /** Made anew by every create: tells whose installation this is. */
    installation: string;
    /** False while an installation is under way. */
    complete: boolean;
    bundleSha256: string;
    agentVersion: string;
    publicKey: string;
    /** Digests by path. */
    files: Record<string, string>;
    module: {
        kernelRelease: string;
        version: string;
        sourceVersion: string;
        /** Of the sources, when it was built on the node. */
        builtFrom?: string;
    };
    /** Of the TLS helper, where there is one. */
    helper?: {
        /** Digest of the sources, when it was built on the node. */
        builtFrom?: string;
    };
}

/** What systemd says of a unit. */
export interface UnitState {
    loaded: boolean;
    enabled: boolean;
    active: string;
}

/** What is on a node: the machine, and what is there of ours. */
export interface NodeState {
    /** Root, by login or by sudo. */
    privileged: boolean;
    architecture: string;
    kernelRelease: string;
    hostname: string;
    /** Name of process 1. */
    init: string;
    /** Version number of systemd; 0 without it. */
    systemd: number;
    /** `glibc 2.41`; empty without it. */
    libc: string;
    /** Commands we need and the node has not. */
    missing: string[];
    /** `none`, `integrity`, `confidentiality`; empty when the kernel has no lockdown. */
    lockdown: string;
    signatureEnforced: boolean;
    secureBoot: boolean;
    modulesDisabled: boolean;
    /** The kernel takes modules at all. */
    loadable: boolean;
    writable: boolean;
    /** Octets free for the program and for the credentials. */
    free: { program: number; credentials: number };
    /** The kernel has TLS, or a module for it. */
    tls: boolean;
    /** What a build of the module or of the TLS helper would need; `openssl` is major and minor version, 0.0 without it. */
    build: { headers: boolean; make: boolean; compiler: boolean; openssl: [number, number] };
    /** SHA-256 of our files by path, of those that are there. */
    files: Record<string, string>;
    sealed: { identity: boolean; cluster: boolean };
    /** Parsed agent.json, if it is there and is JSON. */
    configuration?: Record<string, unknown>;
    manifest?: Manifest;
    /** The module in the kernel. */
    loaded?: { version: string; sourceVersion: string };
    unit: UnitState;
    /** The unit of the TLS helper. */
    helper: UnitState;
    /** Any of our files, the unit or the module is there. */
    present: boolean;
}

const needed =
    "systemctl systemd-creds journalctl insmod rmmod modinfo sha256sum gzip head stat install base64 mktemp sync";
const hashed = [
    ...[layout.runtime, layout.agent, layout.unit, layout.configuration, layout.module],
    ...[layout.helper, layout.helperUnit],
];

/** Directories of the system's own commands come first: sudo and sshd may leave sbin out. */
export const environment =
    "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; umask 022";

// One round trip: `key=value` lines, nothing in them that is secret.
const probe = `${environment}
say() { printf '%s=%s\\n' "$1" "$2"; }
first() { head -n 1 "$1" 2>/dev/null; }
free() { d=$1; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; set -- $(stat -f -c '%a %S' "$d"); echo $(($1 * $2)); }
release=$(uname -r)
say uid "$(id -u)"
say architecture "$(uname -m)"
say kernelRelease "$release"
say hostname "$(uname -n)"
say init "$(first /proc/1/comm)"
say systemd "$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p')"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
for c in ${needed}; do command -v "$c" >/dev/null || say missing "$c"; done
say lockdown "$(sed -n 's/.*\\[\\(.*\\)\\].*/\\1/p' /sys/kernel/security/lockdown 2>/dev/null)"
say signatureEnforced "$(first /sys/module/module/parameters/sig_enforce)"
for f in /sys/firmware/efi/efivars/SecureBoot-*; do [ -r "$f" ] && say secureBoot "$(od -An -tu1 -j4 -N1 "$f" | tr -d ' ')"; done
say modulesDisabled "$(first /proc/sys/kernel/modules_disabled)"
[ -e /proc/modules ] && say loadable 1
d=/usr/lib; [ -d ${layout.program} ] && d=${layout.program}
[ -w "$d" ] && [ -w /etc ] && [ -w /var/lib ] && say writable 1
say freeProgram "$(free ${layout.program})"
say freeCredentials "$(free ${layout.credentials})"
[ -e "/lib/modules/$release/build/Makefile" ] && say headers 1
command -v make >/dev/null && say make 1
command -v gcc >/dev/null && say compiler 1
say openssl "$(sed -n 's/^# *define OPENSSL_VERSION_M[AI][JN]OR *\\([0-9]*\\).*/\\1/p' /usr/include/openssl/opensslv.h 2>/dev/null | tr '\\n' ' ')"
{ grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp || modprobe -n -q tls; } 2>/dev/null && say tls 1
for f in ${hashed.join(" ")}; do [ -f "$f" ] && say "file $f" "$(sha256sum < "$f" | head -c 64)"; done
[ -s ${layout.identity} ] && say identity 1
[ -s ${layout.cluster} ] && say cluster 1
[ -f ${layout.configuration} ] && say configuration "$(base64 -w 0 ${layout.configuration})"
[ -f ${layout.manifest} ] && say manifest "$(base64 -w 0 ${layout.manifest})"
m=/sys/module/${moduleName}
[ -d "$m" ] && say loaded "$(first $m/version) $(first $m/srcversion)"
systemctl show -p LoadState,UnitFileState,ActiveState ${unitName} 2>/dev/null
systemctl show -p LoadState,UnitFileState,ActiveState ${helperUnitName} 2>/dev/null | sed 's/^/helper/'
for p in ${layout.program} ${layout.credentials} /etc/riptides ${layout.unit} ${layout.helperUnit} "$m"; do [ -e "$p" ] && say present 1; done
true
`;

/** Looks at a node, as root if that is possible. Changes nothing. @throws RiptidesError `NodeUnreachable`, `NodeCommand` */
export async function inspect(session: Session): Promise<NodeState> {
    let result = await session.run(probe, { timeout: ordinaryTimeout });
    if (result.code !== 0 && result.stdout === "") {
        result = await session.run(probe, { timeout: ordinaryTimeout, as: "user" });
    }
    if (result.code !== 0) {
        throw new RiptidesError("NodeCommand", {
            reason: `looking at ${session.node} ended with code ${result.code}: ${sanitise(result.stderr)}`,
        });
    }
    return parseState(result.stdout);
}

/** Reads what the probe printed. */
export function parseState(text: string): NodeState {
    const values = new Map<string, string[]>();
    for (const line of text.split("\n")) {
        const at = line.indexOf("=");
        if (at > 0) {
            const key = line.slice(0, at);
            values.set(key, [...(values.get(key) ?? []), line.slice(at + 1)]);
        }
    }
    const one = (key: string) => values.get(key)?.[0] ?? "";
    const is = (key: string, value = "1") => one(key) === value;
    const [version = "", sourceVersion = ""] = one("loaded").split(" ");
    const [major = 0, minor = 0] = one("openssl").split(" ").map(Number);
    const unit = (prefix: string): UnitState => ({
        loaded: is(`${prefix}LoadState`, "loaded"),
        enabled: is(`${prefix}UnitFileState`, "enabled"),
        active: one(`${prefix}ActiveState`),
    });
    return {
        privileged: is("uid", "0"),
        architecture: one("architecture"),
        kernelRelease: one("kernelRelease"),
        hostname: one("hostname"),
        init: one("init"),
        systemd: Number(one("systemd")),
        libc: one("libc"),
        missing: values.get("missing") ?? [],
        lockdown: one("lockdown"),
        signatureEnforced: is("signatureEnforced", "Y"),
        secureBoot: is("secureBoot"),
        modulesDisabled: is("modulesDisabled"),
        loadable: is("loadable"),
        writable: is("writable"),
        free: { program: Number(one("freeProgram")), credentials: Number(one("freeCredentials")) },
        tls: is("tls"),
        build: {
            headers: is("headers"),
            make: is("make"),
            compiler: is("compiler"),
            openssl: [major, minor],
        },
        files: Object.fromEntries(
            [...values].filter(([key]) => key.startsWith("file ")).map(([key, [hash]]) => [key.slice(5), hash!]),
        ),
        sealed: { identity: is("identity"), cluster: is("cluster") },
        configuration: json(one("configuration")),
        manifest: json(one("manifest")) as Manifest | undefined,
        loaded: values.has("loaded") ? { version, sourceVersion } : undefined,
        unit: unit(""),
        helper: unit("helper"),
        present: values.has("present"),
    };
}

// A file that somebody spoiled is as good as absent: the installer writes it anew.
function json(encoded: string): Record<string, unknown> | undefined {
    try {
        const value: unknown = JSON.parse(Buffer.from(encoded, "base64").toString("utf8"));
        return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
    } catch {
        return undefined;
    }
}
