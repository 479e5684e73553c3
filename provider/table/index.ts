// SPDX-License-Identifier: Apache-2.0
export * from "./check";
export * from "./page";
export * from "./resource";
export * from "./schema";
export * from "./table";
export * from "./wire";
