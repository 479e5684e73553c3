// SPDX-License-Identifier: Apache-2.0
import { Duration, RiptidesError } from "../../api";
import { sourcesDigest, type Bundle } from "./bundle";
import { helperUnitName, layout, moduleName, unitName } from "./layout";
import { environment, type Manifest, type NodeState } from "./node-state";
import { lastFault } from "./agent-log";
import { sanitise } from "./sanitise";
import { expectSuccess, type Session } from "./session";
import { upload } from "./upload";

/** A module file that is in its place on the node. */
export interface ReadyModule {
    version: string;
    sourceVersion: string;
    sha256: string;
    note: Manifest["module"];
}

/** Where {@link unload} tells what it does. */
export interface UnloadReport {
    status(text: string): void;
    log(severity: "warning", text: string): void;
}

const buildTimeout = Duration.seconds(900);
const drainTimeout = Duration.seconds(300);
// HTTP clients close connections that they do not use after seconds to half a minute.
const connectionsTimeout = Duration.seconds(30);

/** Puts the module for the running kernel into its place: the prebuilt one, or one built there from the sources. */
export async function provide(
    session: Session,
    state: NodeState,
    bundle: Bundle,
    status: (text: string) => void,
): Promise<ReadyModule> {
    const kernelRelease = state.kernelRelease;
    const prebuilt = bundle.modules.get(kernelRelease);
    if (prebuilt) {
        const { version, sourceVersion, sha256 } = prebuilt;
        if (state.files[layout.module] !== sha256) {
            status(`kernel module: uploading the one for ${kernelRelease}`);
            await upload(session, [{ path: layout.module, mode: "0644", content: prebuilt }]);
        }
        return { version, sourceVersion, sha256, note: { kernelRelease, version, sourceVersion } };
    }
    const builtFrom = sourcesDigest(bundle);
    const known = state.manifest?.module;
    const present = state.files[layout.module];
    if (
        present !== undefined &&
        state.manifest?.complete &&
        present === state.manifest.files[layout.module] &&
        known?.builtFrom === builtFrom &&
        known.kernelRelease === kernelRelease
    ) {
        return { version: known.version, sourceVersion: known.sourceVersion, sha256: present, note: known };
    }
    return build(session, kernelRelease, bundle, builtFrom, status);
}

async function build(
    session: Session,
    kernelRelease: string,
    bundle: Bundle,
    builtFrom: string,
    status: (text: string) => void,
): Promise<ReadyModule> {
    status(`kernel module: building for ${kernelRelease} on the node`);
    await upload(
        session,
        [...bundle.sources].map(([path, content]) => ({ path: `${layout.sources}/${path}`, mode: "0644", content })),
    );
    const script = `${environment}
cd ${layout.sources} || exit 1
make -s KDIR=/lib/modules/"$(uname -r)"/build 1>&2 || exit 1
if command -v strip >/dev/null; then strip --strip-debug riptides.ko || exit 1; fi
sync riptides.ko
mv -f riptides.ko ${layout.module} && cd / && rm -rf ${layout.sources}
modinfo -F version ${layout.module}; modinfo -F srcversion ${layout.module}; sha256sum < ${layout.module}`;
    const { code, stdout, stderr } = await session.run(script, { timeout: buildTimeout });
    const [version = "", sourceVersion = "", sum = ""] = stdout.split("\n");
    if (code !== 0 || !/^[0-9a-f]{64}/.test(sum)) {
        throw new RiptidesError("KernelUnsupported", {
            property: "moduleDir",
            reason: `the module could not be built for ${kernelRelease} on ${session.node}: ${sanitise(stderr)}`,
            fix: "See the compiler's message; or put a prebuilt module for this kernel into moduleDir.",
        });
    }
    const note = { kernelRelease, version, sourceVersion, builtFrom };
    return { version, sourceVersion, sha256: sum.slice(0, 64), note };
}

// The certificates are those that the unit trusts.
const drainScript = `${environment}
[ -f /etc/ssl/certs/ca-certificates.crt ] && export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
exec ${layout.runtime} --use-openssl-ca ${layout.agent} drain --config ${layout.configuration}`;

async function drain(session: Session, state: NodeState, report: UnloadReport): Promise<void> {
    const { code, stdout, stderr } = await session.run(drainScript, { timeout: drainTimeout });
    if (code === 0) {
        return;
    }
    const fault = lastFault(stdout.split("\n"));
    // The agent ends its tokens first: what it says of the cluster is about its Daemon object alone.
    if (fault?.code === "ClusterUnreachable" || fault?.code === "ClusterDenied") {
        report.log("warning", `${session.node}: the agent's Daemon object stays in the cluster: ${fault.reason}`);
        return;
    }
    if (state.unit.loaded) {
        await session.run(`${environment}; systemctl start --no-block ${unitName}`);
    }
    throw new RiptidesError("NodeCommand", {
        reason: `live keys of ${session.node} could not be revoked, so nothing was taken away: ${fault?.reason ?? sanitise(stderr || stdout)}`,
        fix: "Make OpenBao reachable from the node and run again. Or wait until the keys have expired: then there is nothing to revoke.",
    });
}

/** Loads the module. @throws RiptidesError `KernelLockdown`, `KernelModule` with the kernel's own words */
export async function load(session: Session): Promise<void> {
    const script = `${environment}
[ -d /sys/module/${moduleName} ] && exit 0
insmod ${layout.module} && exit 0
dmesg 2>/dev/null | tail -n 30 | grep -i -e ${moduleName} -e lockdown -e 'module' | tail -n 5 >&2
exit 1`;
    const { code, stderr } = await session.run(script);
    if (code !== 0) {
        const refused = /Operation not permitted|Key was rejected|Required key not available|[Ll]ockdown/.test(stderr);
        throw new RiptidesError(refused ? "KernelLockdown" : "KernelModule", {
            property: "moduleDir",
            reason: `the kernel of ${session.node} did not take the module: ${sanitise(stderr)}`,
        });
    }
}

/**
 * Stops the agent, revokes the keys that the kernel holds, stops the TLS helper, and takes the module out. If the keys cannot be revoked, the
 * agent is started again and everything is as before. If connections hold the module, agent and helper are started again,
 * and keys made anew.
 * @throws RiptidesError `NodeCommand`
 */
export async function unload(session: Session, state: NodeState, report: UnloadReport): Promise<void> {
    if (state.unit.loaded) {
        await expectSuccess(session, "stopping the agent", `${environment}; systemctl stop ${unitName}`);
    }
    // Without the module there are no keys, and without its token for the cluster the agent has registered nowhere.
    const whole = [layout.runtime, layout.agent, layout.configuration].every((path) => path in state.files);
    if (whole && (state.loaded || state.sealed.cluster)) {
        report.status("revoking live keys");
        await drain(session, state, report);
    } else if (state.loaded) {
        report.log(
            "warning",
            `${session.node}: the agent is incomplete, so keys that the kernel module holds are not revoked; they die with their lease`,
        );
    }
    // Started again and again by systemd, it would open the device of the module that is to go.
    if (state.helper.loaded) {
        await expectSuccess(session, "stopping the TLS helper", `${environment}; systemctl stop ${helperUnitName}`);
    }
    if (state.loaded) {
        await removeModule(session, state, report);
    }
}

// A connection of a bound process to a declared port holds the module as long as the process keeps it open.
async function removeModule(session: Session, state: NodeState, report: UnloadReport): Promise<void> {
    const once = `${environment}; [ ! -d /sys/module/${moduleName} ] || rmmod ${moduleName}`;
    if ((await session.run(once)).code === 0) {
        return;
    }
    report.status("waiting for connections of bound processes to be closed");
    const script = `${environment}
i=0
while [ -d /sys/module/${moduleName} ]; do
    rmmod ${moduleName} 2>/dev/null && exit 0
    i=$((i + 1))
    [ $i -lt ${connectionsTimeout.wholeSeconds} ] || break
    sleep 1
done
rmmod ${moduleName} && exit 0
sed -n 's/^pid=\\([0-9]*\\) comm=\\([^ ]*\\) .*/\\2 (\\1)/p' ${layout.connections} | sort -u | head -n 10
exit 1`;
    const { code, stdout, stderr } = await session.run(script);
    if (code === 0) {
        return;
    }
    const units = [helperUnitName, unitName].filter((_, i) => [state.helper, state.unit][i]!.loaded);
    await session.run([environment, ...units.map((unit) => `systemctl start --no-block ${unit}`)].join("\n"));
    const holders = stdout.trim().split("\n").filter(Boolean);
    throw new RiptidesError("NodeCommand", {
        reason:
            holders.length > 0
                ? `the kernel module stays on ${session.node}: connections are held open by ${sanitise(holders.join(", "))}`
                : `unloading the kernel module on ${session.node} failed: ${sanitise(stderr)}`,
        ...(holders.length > 0 && { fix: "Stop or restart these processes, then run again." }),
    });
}
