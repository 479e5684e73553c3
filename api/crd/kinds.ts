// SPDX-License-Identifier: Apache-2.0
import { credentialBinding } from "./credential-binding";
import { credentialSource } from "./credential-source";
import { daemon } from "./daemon";
import { service } from "./service";
import { workloadIdentity } from "./workload-identity";

/** The kinds of the group, in the order in which objects are applied. */
export const kinds = { service, credentialSource, workloadIdentity, credentialBinding, daemon } as const;
