// SPDX-License-Identifier: Apache-2.0
export { BindingStatus, type BindingStatusArgs, type CredentialFile, type Injection } from "./binding-status";
export { Provider, type ProviderArgs } from "./provider";
export * as node from "./node";
export * as openai from "./openai";
