// SPDX-License-Identifier: Apache-2.0
import { run } from "../../../provider/protocol";
import { kubernetesProvider } from "./provider";

void run(kubernetesProvider(process.env));
