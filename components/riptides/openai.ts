// SPDX-License-Identifier: Apache-2.0
export * from "./config";
export * from "./plugin";
export * from "./role";
