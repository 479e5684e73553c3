// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { countsOf, place } from "./machine";
import { ports, Wire } from "./wire";

/** `$RIPTIDES_STORM_SECONDS` makes it long; docs/kernel.md records such a run. */
const seconds = Number(process.env.RIPTIDES_STORM_SECONDS ?? 25);

describe("kernel module: storm on the wire", function () {
    this.timeout((seconds + 400) * 1_000);
    let wire: Wire;

    before(async () => {
        wire = await Wire.start({});
        await wire.machine.sh("systemctl stop riptides-tls");
    });
    after(() => wire.stop());

    it(`gives no request another's secret in ${seconds} s of aborts, rotations, commits and deaths`, async () => {
        const command = `${place}/wirestorm ${seconds} ${seconds} ${place}/riptides-tls`;
        const { code, stdout, stderr } = await wire.machine.guest.exec(command, { timeoutMs: (seconds + 200) * 1_000 });
        assert.equal(code, 0, `${stdout}${stderr}`);
        const counts = countsOf(stdout);
        console.log(`        ${JSON.stringify(counts)}`);
        assert.deepEqual([counts.wrong, counts.other], [0, 0], `${stdout}${stderr}`);
        for (const name of [
            "answered",
            "again",
            "refused",
            "malformed",
            "failed",
            "absent",
            "untouched",
            "commits",
            "secrets",
            "wipes",
            "agents",
            "helpers",
        ]) {
            assert.ok(counts[name]! > 0, `${name} never happened: ${stdout}`);
        }
    });

    it("leaves no connection behind", async () => {
        await wire.machine.sh("timeout 60 sh -c 'until ! grep -q . /proc/riptides/connections; do :; done'");
        assert.equal((await wire.machine.health()).connections, 0);
    });

    it("has let no secret arrive without TLS, at another server or for another user", async () => {
        const arrivals = await wire.journal();
        const requests = arrivals.filter(({ what }) => what === "request");
        assert.ok(requests.length > 0);
        const wrong = requests.filter(
            ({ port, target, authorization = [] }) =>
                port !== ports.good ||
                authorization.length !== 1 ||
                !authorization[0]!.startsWith(`Bearer sk-${target!.replace("/storm/", "")}-`),
        );
        assert.deepEqual(wrong, []);
        assert.deepEqual(
            arrivals.filter(({ what, detail }) => what === "plain" && detail!.includes("sk-")),
            [],
        );
    });
});
