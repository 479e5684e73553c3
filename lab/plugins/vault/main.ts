// SPDX-License-Identifier: Apache-2.0
import { run } from "../../../provider/protocol";
import { vaultProvider } from "./provider";

void run(vaultProvider(process.env));
