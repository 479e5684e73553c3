// SPDX-License-Identifier: Apache-2.0

/** Where everything of ours is on a node (docs/node.md). Nothing is written elsewhere. */
export const layout = {
    program: "/usr/lib/riptides",
    runtime: "/usr/lib/riptides/bin/node",
    agent: "/usr/lib/riptides/agent.js",
    moduleDirectory: "/usr/lib/riptides/kmod",
    module: "/usr/lib/riptides/kmod/riptides.ko",
    sources: "/usr/lib/riptides/kmod/source",
    helper: "/usr/lib/riptides/bin/riptides-tls",
    helperSources: "/usr/lib/riptides/helper-source",
    manifest: "/usr/lib/riptides/manifest.json",
    unit: "/etc/systemd/system/riptides-agent.service",
    helperUnit: "/etc/systemd/system/riptides-tls.service",
    configuration: "/etc/riptides/agent.json",
    credentials: "/var/lib/riptides",
    identity: "/var/lib/riptides/identity.cred",
    cluster: "/var/lib/riptides/cluster.cred",
    volatile: "/run/riptides",
    /** Of the module: a line for each connection it carries. */
    connections: "/proc/riptides/connections",
} as const;

/** Name of the agent's systemd unit. */
export const unitName = "riptides-agent.service";

/** Name of the TLS helper's. */
export const helperUnitName = "riptides-tls.service";

/** Name of the kernel module. */
export const moduleName = "riptides";
