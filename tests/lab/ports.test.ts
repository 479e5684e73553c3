// SPDX-License-Identifier: Apache-2.0
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { freePorts, isFree } from "../../lab/ports";

describe("lab ports", () => {
    it("are all different and below the range of outgoing connections", async () => {
        const names = Array.from({ length: 40 }, (_, i) => `part${i}`);
        const ports = Object.values(await freePorts(names));
        assert.equal(new Set(ports).size, names.length);
        assert.ok(ports.every((port) => port >= 20_000 && port < 32_000));
    });

    it("do not count as free while a server listens", async () => {
        const server = createServer().listen(0, "127.0.0.1");
        await once(server, "listening");
        const { port } = server.address() as AddressInfo;
        assert.equal(await isFree(port), false);
        server.close();
        await once(server, "close");
        assert.equal(await isFree(port), true);
    });
});
