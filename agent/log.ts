// SPDX-License-Identifier: Apache-2.0
import { messageOf, RiptidesError } from "../api";
import { redact } from "./redact";

export type LogLevel = "info" | "warning" | "error";

/** What a line says besides its message. Values are written as JSON, so a Secret becomes `[secret]`. */
export type LogFields = Record<string, unknown>;

/** Lines of the agent, for the journal. */
export interface Log {
    info(message: string, fields?: LogFields): void;
    warning(message: string, fields?: LogFields): void;
    error(message: string, fields?: LogFields): void;
}

/** A log that writes one JSON object a line: `{"level","message",...}`. */
export function jsonLog(write: (line: string) => void): Log {
    const line = (level: LogLevel) => (message: string, fields?: LogFields) =>
        write(`${redact(JSON.stringify({ level, message, ...fields }))}\n`);
    return { info: line("info"), warning: line("warning"), error: line("error") };
}

/** The fields of anything thrown, without a stack and without its cause. */
export function failureFields(error: unknown): LogFields {
    return error instanceof RiptidesError
        ? { code: error.code, property: error.property, reason: error.reason, fix: error.fix }
        : { code: "Internal", reason: messageOf(error) };
}
