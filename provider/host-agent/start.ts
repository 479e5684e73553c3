// SPDX-License-Identifier: Apache-2.0
import { Duration, RiptidesError } from "../../api";
import { lastFault } from "./agent-log";
import { unitName } from "./layout";
import { environment } from "./node-state";
import { sanitise } from "./sanitise";
import type { Session } from "./session";

const statusPeriod = Duration.seconds(3);
// Exit code of timeout(1).
const late = 124;

/**
 * Enables and starts the agent, and waits until it has registered itself: systemd calls it active only then.
 * @throws RiptidesError `AgentNotReady` with the agent's own reason
 */
export async function startAgent(
    session: Session,
    readyTimeout: Duration,
    status: (text: string) => void,
): Promise<void> {
    status("starting the agent");
    const seconds = Math.max(1, readyTimeout.wholeSeconds);
    const script = `${environment}
systemctl reset-failed ${unitName} 2>/dev/null
systemctl daemon-reload && systemctl enable -q ${unitName} && timeout ${seconds} systemctl restart ${unitName}`;
    const progress = new StatusRow(session, status);
    const { code, stderr } = await session
        .run(script, { timeout: readyTimeout.plus(Duration.seconds(60)) })
        .finally(() => progress.stop());
    if (code !== 0) {
        throw await notReady(session, code === late ? `not ready after ${readyTimeout}` : sanitise(stderr));
    }
}

/** Shows what the agent says it waits for, as long as it starts. */
class StatusRow {
    private readonly timer: NodeJS.Timeout;
    private asking = false;
    private shown = "";

    constructor(
        private readonly session: Session,
        private readonly status: (text: string) => void,
    ) {
        this.timer = setInterval(() => this.ask(), statusPeriod.milliseconds);
    }

    stop(): void {
        clearInterval(this.timer);
    }

    private ask(): void {
        if (this.asking) {
            return;
        }
        this.asking = true;
        this.session
            .run(`${environment}; systemctl show -p StatusText --value ${unitName}`)
            .then(({ stdout }) => {
                const text = sanitise(stdout);
                if (text !== "" && text !== this.shown) {
                    this.shown = text;
                    this.status(`waiting for the agent: ${text}`);
                }
            })
            // The command that is being waited for reports the same loss.
            .catch(() => this.stop())
            .finally(() => (this.asking = false));
    }
}

async function notReady(session: Session, what: string): Promise<RiptidesError> {
    const script = `${environment}
systemctl show -p ActiveState,SubState,StatusText ${unitName}
journalctl -u ${unitName} -o cat -n 12 --no-pager 2>/dev/null`;
    const { stdout } = await session.run(script);
    const lines = stdout.split("\n");
    const property = (name: string) => lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    const journal = lines.filter((line) => !/^(ActiveState|SubState|StatusText)=/.test(line));
    const said = sanitise(property("StatusText")) || (lastFault(journal)?.reason ?? "");
    // What the agent says of itself is exact; the journal is for one that ended without a word.
    const told = said ? "" : sanitise(journal.join("\n"));
    return new RiptidesError("AgentNotReady", {
        reason: [
            `the agent on ${session.node} is ${property("ActiveState")} (${property("SubState")}), ${what}`,
            said ? `: ${said}` : "",
            told ? `\nIts journal ends:\n${told}\n` : "",
        ].join(""),
    });
}
