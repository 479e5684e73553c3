// SPDX-License-Identifier: Apache-2.0
import { flatten } from "./schema";
import type { Field, Fields, FieldType, Table } from "./table";

/** The docs page of a resource, in Markdown. */
export function page(table: Table): string {
    const lines = [`# ${table.token}`, "", table.doc, "", "## Inputs", "", ...inputRows(table.inputs)];
    lines.push("", "## Outputs", "");
    const writeOnly = Object.values(table.inputs).some((field) => field.writeOnly);
    lines.push(`Every input${writeOnly ? " that is not write-only" : ""} is an output too.`, "");
    if (Object.keys(table.outputs).length > 0) {
        lines.push("| output | type | |", "| --- | --- | --- |");
        lines.push(
            ...flatten(table.outputs).map(
                ({ path, field }) => `| \`${path}\` | ${typeText(field.type)} | ${cell(field.doc)} |`,
            ),
        );
        lines.push("");
    }
    if (table.importId) {
        lines.push("## Import", "", `\`pulumi import ${table.token} <name> ${table.importId}\``, "");
    }
    if (table.notes) {
        lines.push(table.notes.trim(), "");
    }
    return lines.join("\n");
}

/** A table of input fields, with their traits. */
export function inputRows(fields: Fields): string[] {
    return [
        "| input | type | | |",
        "| --- | --- | --- | --- |",
        ...flatten(fields).map(
            ({ path, field }) => `| \`${path}\` | ${typeText(field.type)} | ${traits(field)} | ${cell(field.doc)} |`,
        ),
    ];
}

function traits(field: Field): string {
    return [
        field.required ? "required" : "",
        field.default === undefined ? "" : `default \`${String(field.default)}\``,
        field.writeOnly ? "write-only secret" : field.secret ? "secret" : "",
        field.immutable ? "a change replaces" : "",
    ]
        .filter(Boolean)
        .join(", ");
}

function typeText(type: FieldType): string {
    if (typeof type === "string") {
        return type === "any" ? "any value" : type;
    }
    if ("list" in type) {
        return `list of ${typeText(type.list)}`;
    }
    return "map" in type ? `map of ${typeText(type.map)}` : "object";
}

function cell(text: string): string {
    return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
