// SPDX-License-Identifier: Apache-2.0
export * from "./diff";
export * from "./path";
export * from "./resource";
export { run } from "./run";
export { serve, type Listening } from "./server";
export * from "./value";
