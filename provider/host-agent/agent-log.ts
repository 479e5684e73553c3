// SPDX-License-Identifier: Apache-2.0
import { sanitise } from "./sanitise";

/** Why the agent ended, in its own words. */
export interface AgentFault {
    /** Of the error catalogue. */
    code: string;
    reason: string;
}

/** The last error among lines that the agent wrote (JSON objects, with other programs' lines between them). */
export function lastFault(lines: readonly string[]): AgentFault | undefined {
    for (const line of [...lines].reverse()) {
        const { level, code, reason, message } = object(line);
        if (level === "error") {
            return { code: String(code), reason: sanitise(String(reason ?? message)) };
        }
    }
    return undefined;
}

function object(line: string): Record<string, unknown> {
    try {
        return (JSON.parse(line) ?? {}) as Record<string, unknown>;
    } catch {
        return {};
    }
}
