// SPDX-License-Identifier: Apache-2.0
// Runs test files under mocha and writes {passed, failed} to the file named first, for tests/run.ts to add up.
import { writeFileSync } from "node:fs";
import Mocha from "mocha";

const [result, ...files] = process.argv.slice(2) as [string, ...string[]];
const mocha = new Mocha({ timeout: 30_000, reporter: "spec", forbidOnly: true, forbidPending: true });
files.forEach((file) => mocha.addFile(file));
const runner = mocha.run(() => {
    const { passes = 0, failures = 0 } = runner.stats ?? {};
    writeFileSync(result, JSON.stringify({ passed: passes, failed: failures }));
    // Test files may hold keep-alive connections; what matters has been written.
    process.exit(failures > 0 ? 1 : 0);
});
