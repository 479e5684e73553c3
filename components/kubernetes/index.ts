// SPDX-License-Identifier: Apache-2.0
export * from "./credential-binding";
export * from "./credential-source";
export type { ObjectArgs, ObjectMetadata } from "./custom-object";
export * from "./service";
export * from "./workload-identity";
