// SPDX-License-Identifier: Apache-2.0
import { open } from "../../lab";
import { FirstLight } from "./first-light";

describe("e2e: one `pulumi up` gives an AI agent its OpenAI key", function () {
    this.timeout(10 * 60_000);
    // Each step stands on the one before it.
    this.bail(true);
    let scenario: FirstLight;

    before(async () => {
        scenario = await FirstLight.begin(await open(process.env["RIPTIDES_LAB"]));
    });

    it("given nothing, when up runs, then the binding is OK and outputs tell the file", () => scenario.up());
    it("given the binding, when the bound process reads its file, then its key lists models", () => scenario.use());
    it("given the binding, when others read the file, root included, then they are refused and counted", () =>
        scenario.refuse());
    it("given a short ttl, when keys rotate, then the bound process never meets a dead or partial key", () =>
        scenario.rotate());
    it("given one changed field, when preview runs, then it shows that field alone, and up applies it", () =>
        scenario.change());
    it("given the stack, when destroy runs, then no key, mount, object, agent or module is left", () =>
        scenario.destroy());
});
