// SPDX-License-Identifier: Apache-2.0

/** Codec of the frames of /dev/riptides: one frame is one write() or one read(). */
export * from "./kernel-answer";
export { type BindingKey, KernelMessageError } from "./kernel-frame";
export * from "./kernel-layout";
export * from "./kernel-request";
