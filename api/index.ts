// SPDX-License-Identifier: Apache-2.0
export * from "./credential-path";
export * from "./crd/definition";
export * from "./crd/group";
export { framingHeaders, pathPrefixPattern } from "./crd/injection";
export * from "./crd/kind";
export * from "./crd/kinds";
export * from "./crd/types";
export * from "./duration";
export * from "./failure";
export * from "./injection";
export * from "./policy";
export * from "./secret";
export * from "./selector";
export * from "./server-url";
export * from "./spiffe";
