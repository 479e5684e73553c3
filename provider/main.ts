// SPDX-License-Identifier: Apache-2.0
// The plugin process. `--schema` prints the package schema instead of serving.
import { messageOf } from "../api";
import { run } from "./protocol";
import { riptides, version } from "./provider";
import { schemaText } from "./tables";

if (process.argv.includes("--schema")) {
    process.stdout.write(schemaText(version));
} else {
    run(riptides()).catch((error: unknown) => {
        console.error(messageOf(error));
        process.exitCode = 1;
    });
}
