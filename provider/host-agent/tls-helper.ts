// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { Duration, RiptidesError } from "../../api";
import type { Bundle, HelperFiles, LocalFile } from "./bundle";
import { helperUnitName, layout } from "./layout";
import { environment, type Manifest, type NodeState } from "./node-state";
import { sanitise } from "./sanitise";
import { expectSuccess, type Session } from "./session";
import { upload, type Placement } from "./upload";

/** The TLS helper as it is in its place on the node. */
export interface ReadyHelper {
    /** Digests by path. */
    files: Record<string, string>;
    /** Program or unit is another one than before. */
    changed: boolean;
    note: NonNullable<Manifest["helper"]>;
}

/** How a node gets its TLS helper, or why it gets none. */
export type HelperSource = { from: "bundle"; program: LocalFile } | { from: "build" } | { from: "none"; why: string };

// The first OpenSSL whose kernel TLS receives TLS 1.3.
const oldestOpenssl = [3, 2] as const;
const buildTimeout = Duration.seconds(300);

/**
 * Chooses where the TLS helper comes from. Without one, files are delivered as ever and nothing is injected on the wire; whether that matters is
 * known to the bindings alone, so it is no finding against the node.
 */
export function helperSource(state: NodeState, helper: HelperFiles): HelperSource {
    if (!state.tls) {
        return { from: "none", why: `the kernel ${state.kernelRelease} has no TLS (CONFIG_TLS, module tls)` };
    }
    const program = helper.programs.get(state.architecture);
    if (program) {
        return { from: "bundle", program };
    }
    const { make, compiler, openssl } = state.build;
    const isNewEnough =
        openssl[0] > oldestOpenssl[0] || (openssl[0] === oldestOpenssl[0] && openssl[1] >= oldestOpenssl[1]);
    const lacking = [
        compiler ? "" : "gcc",
        make ? "" : "make",
        isNewEnough ? "" : `the headers of OpenSSL ${oldestOpenssl.join(".")} or later`,
        helper.sources.size > 0 ? "" : "sources in the bundle",
    ].filter(Boolean);
    return lacking.length === 0
        ? { from: "build" }
        : {
              from: "none",
              why: `the bundle holds no riptides-tls for ${state.architecture}, and the node cannot build one: it lacks ${lacking.join(", ")}`,
          };
}

/** Puts the TLS helper and its unit into their places; undefined when the node gets none. */
export async function provideHelper(
    session: Session,
    state: NodeState,
    bundle: Bundle,
    report: { status(text: string): void; log(severity: "warning", text: string): void },
): Promise<ReadyHelper | undefined> {
    const { helper } = bundle;
    if (!helper) {
        return undefined;
    }
    const source = helperSource(state, helper);
    if (source.from === "none") {
        report.log(
            "warning",
            `${session.node}: without the TLS helper credentials are delivered as files but not injected on the wire: ${source.why}`,
        );
        return undefined;
    }
    const unit: Placement = { path: layout.helperUnit, mode: "0644", content: helper.unit };
    const placements = [unit];
    const before = state.manifest?.helper;
    const present = state.files[layout.helper];
    let sha256: string;
    let note: ReadyHelper["note"] = {};
    if (source.from === "bundle") {
        placements.push({ path: layout.helper, mode: "0755", content: source.program });
        sha256 = source.program.sha256;
    } else {
        note = { builtFrom: digestOf(helper.sources) };
        const isBuilt =
            present !== undefined &&
            state.manifest?.files[layout.helper] === present &&
            before?.builtFrom === note.builtFrom;
        sha256 = isBuilt ? present : await build(session, helper, report);
    }
    const wrong = placements.filter(({ path, content }) => state.files[path] !== content.sha256);
    if (wrong.length > 0) {
        report.status("TLS helper: uploading");
        await upload(session, wrong);
    }
    return {
        files: { [layout.helper]: sha256, [layout.helperUnit]: helper.unit.sha256 },
        changed: wrong.length > 0 || sha256 !== present,
        note,
    };
}

async function build(session: Session, helper: HelperFiles, report: { status(text: string): void }): Promise<string> {
    report.status("TLS helper: building on the node");
    await upload(
        session,
        [...helper.sources].map(([path, content]) => ({
            path: `${layout.helperSources}/${path}`,
            mode: "0644",
            content,
        })),
    );
    const script = `${environment}
cd ${layout.helperSources}/helper || exit 1
make -s 1>&2 || exit 1
sync riptides-tls
mv -f riptides-tls ${layout.helper} && cd / && rm -rf ${layout.helperSources}
sha256sum < ${layout.helper}`;
    const output = await expectSuccess(session, "building the TLS helper", script, { timeout: buildTimeout });
    return output.slice(0, 64);
}

/** Enables the TLS helper and starts it anew; ready once it has the module's device. @throws RiptidesError `NodeCommand` */
export async function startHelper(session: Session): Promise<void> {
    const script = `${environment}
systemctl reset-failed ${helperUnitName} 2>/dev/null
systemctl daemon-reload && systemctl enable -q ${helperUnitName} && timeout 60 systemctl restart ${helperUnitName} && exit 0
journalctl -u ${helperUnitName} -o cat -n 5 --no-pager >&2 2>/dev/null
exit 1`;
    const { code, stderr } = await session.run(script);
    if (code !== 0) {
        throw new RiptidesError("NodeCommand", {
            reason: `the TLS helper on ${session.node} did not start: ${sanitise(stderr)}`,
            fix: `See \`journalctl -u ${helperUnitName}\` on the node, then run again.`,
        });
    }
}

/** Takes a TLS helper off a node that is to have none. Does nothing when there is none. */
export async function removeHelper(session: Session, state: NodeState): Promise<void> {
    if (!state.helper.loaded && state.files[layout.helper] === undefined) {
        return;
    }
    const script = `${environment}
[ ! -e ${layout.helperUnit} ] || systemctl disable -q --now ${helperUnitName}
rm -f ${layout.helperUnit} ${layout.helper}
systemctl daemon-reload`;
    await expectSuccess(session, "removing the TLS helper", script);
}

function digestOf(sources: ReadonlyMap<string, LocalFile>): string {
    const lines = [...sources].map(([path, { sha256 }]) => `${path} ${sha256}`);
    return createHash("sha256").update(lines.join("\n")).digest("hex");
}
