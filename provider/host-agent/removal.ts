// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../../api";
import type { Report } from "./installation";
import { unload } from "./kernel-module-on-node";
import { helperUnitName, layout, moduleName, unitName } from "./layout";
import { environment, inspect, type NodeState } from "./node-state";
import { expectSuccess, type Session } from "./session";

/**
 * Takes everything of ours off a node: keys are revoked first, then units, module, files and sealed credentials go.
 * Succeeds when nothing is there.
 * @throws RiptidesError `NodeCommand`, and then a second run continues
 */
export async function removeInstallation(session: Session, state: NodeState, report: Report): Promise<void> {
    if (!state.privileged) {
        throw new RiptidesError("NodeUnsuitable", {
            property: "connection.user",
            reason: `the user cannot become root on ${session.node} by sudo without a password`,
            fix: "Log in as root, or allow the user NOPASSWD in sudoers.",
        });
    }
    if (!state.present) {
        return;
    }
    report.status("stopping the agent");
    await unload(session, state, report);
    report.status("removing files");
    const script = `${environment}
[ ! -e ${layout.unit} ] || systemctl disable -q ${unitName}
[ ! -e ${layout.helperUnit} ] || systemctl disable -q ${helperUnitName}
rm -rf ${layout.unit} ${layout.unit}.new ${layout.helperUnit} ${layout.helperUnit}.new ${layout.program} /etc/riptides ${layout.credentials} ${layout.volatile}
systemctl daemon-reload
systemctl reset-failed ${unitName} ${helperUnitName} 2>/dev/null || true`;
    await expectSuccess(session, "removing the agent's files", script);
    const left = await inspect(session);
    if (left.present) {
        throw new RiptidesError("NodeCommand", {
            reason: `something of the agent is still on ${session.node}${left.loaded ? `: the module ${moduleName} is loaded` : ""}`,
            fix: "Look for what writes there or holds it, then run again.",
        });
    }
}
