// SPDX-License-Identifier: Apache-2.0
import { catalogue, RiptidesError, type FailureCode } from "../../api";
import type { Bundle } from "./bundle";
import { layout } from "./layout";
import type { NodeState } from "./node-state";

/** Something about a node that must be mended before anything is installed. */
export interface Finding {
    code: FailureCode;
    property?: string;
    reason: string;
    fix?: string;
}

// systemd-creds and LoadCredentialEncrypted= came with 250.
const oldestSystemd = 250;
const megabyte = 1_000_000;
// Room for what is there twice while it is replaced, and for objects of a build.
const slack = 48 * megabyte;
const credentialsSpace = 4 * megabyte;

/** Everything that stands against installing this bundle on this node. Empty: nothing. */
export function findings(state: NodeState, bundle: Bundle, user: string): Finding[] {
    const found: Finding[] = [];
    const unsuitable = (reason: string, fix?: string) => found.push({ code: "NodeUnsuitable", reason, fix });
    if (!state.privileged) {
        found.push({
            code: "NodeUnsuitable",
            property: "connection.user",
            reason: `${user} is not root and cannot become it by sudo without a password`,
            fix: "Log in as root, or allow the user NOPASSWD in sudoers.",
        });
    }
    if (state.architecture !== bundle.runtime.architecture) {
        found.push({
            code: "NodeUnsuitable",
            property: "bundleDir",
            reason: `the node is ${state.architecture}, the runtime of the bundle is for ${bundle.runtime.architecture}`,
            fix: `Put a Node for ${state.architecture} into the bundle as \`node\`.`,
        });
    }
    if (state.init !== "systemd" || state.systemd < oldestSystemd) {
        unsuitable(
            state.init === "systemd"
                ? `systemd is ${state.systemd || "of unknown version"}, needed is ${oldestSystemd} for sealed credentials`
                : `process 1 is ${state.init || "unknown"}, not systemd`,
            `Use a distribution with systemd ${oldestSystemd} or later (Debian 12, Ubuntu 22.10, RHEL 9.2, Fedora 36).`,
        );
    }
    if (!state.libc.startsWith("glibc")) {
        unsuitable("the C library is not glibc, so the carried Node cannot run");
    }
    const missing = state.missing.filter((name) => name !== "systemctl" || state.init === "systemd");
    if (missing.length > 0) {
        unsuitable(`commands are missing: ${missing.join(", ")}`, "Install them (coreutils, kmod, gzip, systemd).");
    }
    found.push(...kernelFindings(state, bundle));
    if (state.privileged && !state.writable) {
        unsuitable("/usr/lib, /etc or /var/lib is read-only", "Use a node whose /usr, /etc and /var can be written.");
    }
    const programSpace = missingProgramSpace(state, bundle);
    if (programSpace > state.free.program) {
        unsuitable(`/usr has ${megabytes(state.free.program)} free, needed are ${megabytes(programSpace)}`);
    }
    if (state.free.credentials < credentialsSpace) {
        unsuitable(`/var has ${megabytes(state.free.credentials)} free, needed are ${megabytes(credentialsSpace)}`);
    }
    return found;
}

/** Throws all findings in one message; does nothing without any. @throws RiptidesError */
export function refuse(node: string, found: readonly Finding[]): void {
    const [first] = found;
    if (!first) {
        return;
    }
    const fixOf = (finding: Finding) => finding.fix ?? catalogue[finding.code].fix;
    if (found.length === 1) {
        throw new RiptidesError(first.code, { ...first, reason: `${node}: ${first.reason}`, fix: fixOf(first) });
    }
    const one = found.every(({ code }) => code === first.code);
    throw new RiptidesError(one ? first.code : "NodeUnsuitable", {
        property: "connection.host",
        reason: `${node} cannot take the agent, for ${found.length} reasons; nothing was installed`,
        fix: found
            .map(
                (each, i) => `\n  ${i + 1}. ${each.property ? `${each.property}: ` : ""}${each.reason}. ${fixOf(each)}`,
            )
            .join(""),
    });
}

function kernelFindings(state: NodeState, bundle: Bundle): Finding[] {
    const release = state.kernelRelease;
    const prebuilt = bundle.modules.get(release);
    if (prebuilt && state.loaded?.sourceVersion === prebuilt.sourceVersion && prebuilt.sourceVersion !== "") {
        return [];
    }
    if (!state.loadable || state.modulesDisabled) {
        const reason = state.loadable
            ? "kernel.modules_disabled is 1: no module can be loaded until the next boot"
            : "the kernel was built without loadable modules";
        return [{ code: "KernelUnsupported", reason, fix: "Use a node whose kernel loads modules." }];
    }
    const found: Finding[] = [];
    const { headers, make, compiler } = state.build;
    if (!prebuilt && !(headers && make && compiler && bundle.sources.size > 0)) {
        const lacking = [
            headers ? "" : `the headers of ${release}`,
            make ? "" : "make",
            compiler ? "" : "gcc",
            bundle.sources.size > 0 ? "" : "module sources in the bundle",
        ].filter(Boolean);
        found.push({
            code: "KernelUnsupported",
            property: "moduleDir",
            reason: `there is no prebuilt module for the kernel ${release}${known(bundle)}, and the node cannot build one: it lacks ${lacking.join(", ")}`,
            fix: `Put riptides.ko for this kernel into <moduleDir>/${release}/, or install its headers, gcc and make on the node (Debian: apt install linux-headers-${release} build-essential).`,
        });
    }
    const locked = state.lockdown !== "" && state.lockdown !== "none";
    if ((locked || state.signatureEnforced) && !prebuilt?.signed) {
        const why = [
            locked ? `kernel lockdown is "${state.lockdown}"` : "",
            state.signatureEnforced ? "module.sig_enforce is on" : "",
            state.secureBoot ? "Secure Boot is on" : "",
        ].filter(Boolean);
        const module = prebuilt
            ? `the module ${prebuilt.path} is not signed`
            : "a module built on the node is not signed";
        found.push({ code: "KernelLockdown", property: "moduleDir", reason: `${why.join(", ")}, and ${module}` });
    }
    return found;
}

function known(bundle: Bundle): string {
    const releases = [...bundle.modules.keys()];
    return releases.length > 0 ? ` (there is for ${releases.join(", ")})` : "";
}

function missingProgramSpace(state: NodeState, bundle: Bundle): number {
    const runtime = state.files[layout.runtime] === bundle.runtime.sha256 ? 0 : bundle.runtime.size;
    return runtime + slack;
}

function megabytes(octets: number): string {
    return `${Math.round(octets / megabyte)} MB`;
}
