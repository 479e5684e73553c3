// SPDX-License-Identifier: Apache-2.0

/** One Pulumi program gives every AI agent its own short-lived OpenAI key, delivered by the kernel. */
export type { AllowedRequests, KeyDelivery, WireDelivery } from "./delivery";
export * from "./host-node-agent";
export * from "./kubernetes";
export * from "./openai-access";
export * from "./openai-key-role";
export * from "./openai-secrets-engine";
export * from "./process-selector";
export * from "./riptides";
export * from "./riptides-resources";
export * from "./workload-jwt-auth";
export * from "./workload-jwt-role";
export { RiptidesError, type FailureCode } from "../api";
