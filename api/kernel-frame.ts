// SPDX-License-Identifier: Apache-2.0
import { kernelLimits, layout } from "./kernel-layout";

/** Fields of the frames of /dev/riptides: little-endian numbers, NUL-padded texts. */

/** One binding of one workload: the UUID directory and the binding's name. */
export interface BindingKey {
    /** Lower-case UUID text. */
    workload: string;
    /** 1 to 251 letters, digits, `-`, `.`, `_`; the first is a letter or digit. */
    binding: string;
}

/** A frame was asked for, or received, that the protocol does not allow. */
export class KernelMessageError extends Error {
    constructor(
        readonly field: string,
        readonly reason: string,
    ) {
        super(`${field}: ${reason}`);
        this.name = "KernelMessageError";
    }
}

export function newFrame(type: number, seq: bigint, length: number): Buffer {
    const frame = Buffer.alloc(length);
    frame.writeUInt32LE(length, layout.header.fields.length);
    frame.writeUInt16LE(type, layout.header.fields.type);
    putU64(frame, layout.header.fields.seq, seq, "seq");
    return frame;
}

export function sized(frame: Buffer, size: number): Buffer {
    if (frame.length !== size) {
        throw new KernelMessageError("length", `this message has ${size} bytes, the frame ${frame.length}`);
    }
    return frame;
}

export function putU32(frame: Buffer, offset: number, value: number, field: string, max = 0xffff_ffff): void {
    if (!Number.isInteger(value) || value < 0 || value > max) {
        throw new KernelMessageError(field, `a whole number from 0 to ${max} is needed, got ${value}`);
    }
    frame.writeUInt32LE(value, offset);
}

export function putU64(frame: Buffer, offset: number, value: bigint, field: string): void {
    if (BigInt.asUintN(64, value) !== value) {
        throw new KernelMessageError(field, `an unsigned 64-bit number is needed, got ${value}`);
    }
    frame.writeBigUInt64LE(value, offset);
}

export function putTime(frame: Buffer, offset: number, value: number, field: string): void {
    if (!Number.isSafeInteger(value) || value < 0) {
        throw new KernelMessageError(field, `whole milliseconds of Unix time are needed, got ${value}`);
    }
    frame.writeBigUInt64LE(BigInt(value), offset);
}

/** Nothing, or a text that leaves the field empty. */
export function putOptionalText(
    frame: Buffer,
    offset: number,
    value: string | undefined,
    max: number,
    field: string,
): void {
    if (value) {
        putText(frame, offset, value, max, field);
    }
}

export function putText(frame: Buffer, offset: number, value: string, max: number, field: string): void {
    const length = Buffer.byteLength(value);
    if (length < 1 || length > max || value.includes("\0")) {
        throw new KernelMessageError(field, `1 to ${max} bytes without NUL are allowed, got ${JSON.stringify(value)}`);
    }
    frame.write(value, offset);
}

export function getText(frame: Buffer, offset: number, size: number): string {
    const field = frame.subarray(offset, offset + size);
    const end = field.indexOf(0);
    return field.toString("utf8", 0, end < 0 ? size : end);
}

export function putKey(frame: Buffer, offset: number, key: BindingKey): void {
    const at = layout.key.fields;
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(key.workload)) {
        throw new KernelMessageError("workload", `a lower-case UUID is needed, got ${JSON.stringify(key.workload)}`);
    }
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(key.binding) || key.binding.length > kernelLimits.bindingName) {
        throw new KernelMessageError(
            "binding",
            `1 to ${kernelLimits.bindingName} letters, digits, "-", "." or "_", starting with a letter or digit, got ${JSON.stringify(key.binding)}`,
        );
    }
    frame.write(key.workload.replaceAll("-", ""), offset + at.workload, "hex");
    frame.write(key.binding, offset + at.binding);
}

export function getKey(frame: Buffer, offset: number): BindingKey {
    const at = layout.key.fields;
    const hex = frame.toString("hex", offset + at.workload, offset + at.binding);
    return {
        workload: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
        binding: getText(frame, offset + at.binding, layout.key.size - at.binding),
    };
}
