// SPDX-License-Identifier: Apache-2.0
import { version } from "../package.json";

/** Version of the agent: that of the package it was built from. */
export const agentVersion: string = version;
