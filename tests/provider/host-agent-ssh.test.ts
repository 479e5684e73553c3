// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { Duration, RiptidesError, Secret } from "../../api";
import { fingerprintOf, parseHostKey } from "../../provider/host-agent/host-key";
import type { Session } from "../../provider/host-agent/session";
import { checkPrivateKey, connect, type Target } from "../../provider/host-agent/ssh";
import { newKeys, SshServer, unusedPort, type KeyPair } from "../fakes/ssh-server";

const never = new AbortController().signal;

describe("provider/host-agent: SSH", () => {
    const user = newKeys();
    const host = newKeys();
    let server: SshServer;
    let session: Session | undefined;

    beforeEach(async () => {
        server = await SshServer.start([host], user);
    });
    afterEach(async () => {
        session?.close();
        session = undefined;
        await server.stop();
    });

    const target = (over: Partial<Target> = {}): Target => ({
        host: "127.0.0.1",
        port: server.port,
        user: "root",
        privateKey: new Secret(user.private),
        hostKey: parseHostKey(host.public),
        ...over,
    });
    const open = async (over: Partial<Target> = {}, signal = never, patience = Duration.seconds(0)) => {
        session = await connect(target(over), { signal, patience, status: () => undefined });
        return session;
    };
    const fails = async (code: string, run: Promise<unknown>): Promise<RiptidesError> => {
        const error = await run.then(
            () => assert.fail("it succeeded"),
            (reason: unknown) => reason,
        );
        assert.ok(error instanceof RiptidesError, String(error));
        assert.equal(error.code, code, error.message);
        return error;
    };

    it("runs a script and gives its exit code, output and errors", async () => {
        const opened = await open();
        const result = await opened.run(`printf '%s' "it's"; echo oops >&2; exit 3`);
        assert.deepEqual(result, { code: 3, stdout: "it's", stderr: "oops\n" });
    });

    it("passes standard input on, and keeps it off the command line", async () => {
        const opened = await open();
        const { stdout } = await opened.run("cat", { stdin: Buffer.from("a-secret-token") });
        assert.equal(stdout, "a-secret-token");
        assert.ok(server.commands.every((command) => !command.includes("a-secret-token")));
    });

    it("streams more than a window holds, unchanged", async () => {
        const data = randomBytes(12 << 20);
        const parts = Array.from({ length: 12 }, (_, i) => data.subarray(i << 20, (i + 1) << 20));
        const opened = await open();
        const { stdout } = await opened.run("sha256sum", { stdin: Readable.from(parts) });
        assert.equal(stdout.slice(0, 64), createHash("sha256").update(data).digest("hex"));
    });

    it("judges a script that does not read its input by its exit code", async () => {
        const opened = await open();
        const { code, stderr } = await opened.run("echo full >&2; exit 7", {
            stdin: Readable.from([randomBytes(4 << 20)]),
        });
        assert.deepEqual([code, stderr], [7, "full\n"]);
    });

    it("becomes root by sudo, without a password prompt, for another user", async () => {
        const opened = await open({ user: "admin" });
        await opened.run("true");
        assert.deepEqual(server.commands, ["sudo -n -- sh -c 'true'"]);
    });

    for (const [form, text] of [
        ["a public key line", (key: KeyPair) => key.public],
        ["a line of ssh-keyscan", (key: KeyPair) => `node.example ${key.public}`],
        ["a fingerprint", (key: KeyPair) => parseHostKey(key.public).fingerprint],
    ] as const) {
        it(`accepts the host key as ${form}`, async () => {
            const opened = await open({ hostKey: parseHostKey(text(host)) });
            assert.equal((await opened.run("true")).code, 0);
        });

        it(`refuses another host key given as ${form}, naming both, before any login`, async () => {
            const other = newKeys();
            const error = await fails("HostKeyMismatch", open({ hostKey: parseHostKey(text(other)) }));
            assert.match(error.message, new RegExp(escape(parseHostKey(host.public).fingerprint)));
            assert.match(error.message, new RegExp(escape(parseHostKey(other.public).fingerprint)));
            assert.equal(server.logins, 0);
            assert.deepEqual(server.commands, []);
        });
    }

    it("finds the key of a fingerprint among several types, and names the one type a server has", async () => {
        const rsa = newKeys("rsa");
        const both = await SshServer.start([host, rsa], user);
        try {
            const { fingerprint } = parseHostKey(rsa.public);
            const opened = await open({ port: both.port, hostKey: parseHostKey(fingerprint) });
            assert.equal((await opened.run("true")).code, 0);
        } finally {
            await both.stop();
        }
        const error = await fails("HostKeyMismatch", open({ hostKey: parseHostKey(rsa.public) }));
        assert.match(error.message, new RegExp(escape(parseHostKey(host.public).fingerprint)));
    });

    it("says that the node does not accept the key, and prints nothing of it", async () => {
        const stranger = newKeys();
        const error = await fails("NodeAuthentication", open({ privateKey: new Secret(stranger.private) }));
        assert.match(
            error.message,
            /connection\.privateKey: 127\.0\.0\.1:\d+ does not accept the key for the user root/,
        );
        assert.ok(!error.message.includes(stranger.private.split("\n")[1]!));
    });

    it("says that a node is unreachable, at once or after its patience", async () => {
        const port = await unusedPort();
        const error = await fails("NodeUnreachable", open({ port }));
        assert.match(error.message, /ECONNREFUSED/);
    });

    it("waits for a node that is still starting", async () => {
        const port = await unusedPort();
        const opening = open({ port }, never, Duration.seconds(20));
        await pause(500);
        const late = await SshServer.start([host], user, port);
        try {
            assert.equal((await (await opening).run("echo up")).stdout, "up\n");
        } finally {
            await late.stop();
        }
    });

    it("ends a command that takes too long", async () => {
        const opened = await open();
        const error = await fails("NodeCommand", opened.run("exec sleep 60", { timeout: Duration.milliseconds(200) }));
        assert.match(error.message, /did not end within 200ms/);
    });

    it("ends a command and the connection when the operation is cancelled", async () => {
        const cancel = new AbortController();
        const opened = await open({}, cancel.signal);
        const running = opened.run("exec sleep 60");
        setTimeout(() => cancel.abort(new Error("the operation was cancelled")), 100);
        await assert.rejects(running, /the operation was cancelled/);
        await assert.rejects(opened.run("true"), /the operation was cancelled/);
    });

    it("ends a command that is cancelled while its channel opens", async () => {
        const cancel = new AbortController();
        const opened = await open({}, cancel.signal);
        const running = opened.run("exec sleep 60");
        cancel.abort(new Error("the operation was cancelled"));
        await assert.rejects(running, /the operation was cancelled/);
    });

    it("says that the connection was lost during a command", async () => {
        const opened = await open();
        const running = opened.run("exec sleep 60");
        setTimeout(() => server.cut(), 100);
        const error = await fails("NodeUnreachable", running);
        assert.match(error.message, /was lost/);
        await fails("NodeUnreachable", opened.run("true"));
    });

    it("reads private keys only, and none that needs a passphrase", async () => {
        await checkPrivateKey(new Secret(user.private));
        await fails("InvalidProperty", checkPrivateKey(new Secret(user.public)));
        await fails("InvalidProperty", checkPrivateKey(new Secret("no key at all")));
    });
});

describe("provider/host-agent: host keys", () => {
    it("prints the fingerprint as ssh-keygen does", () => {
        const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
        assert.equal(parseHostKey(line).fingerprint, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert.equal(parseHostKey(line).text, line.replace(" github", ""));
        assert.equal(fingerprintOf(Buffer.from(line.split(" ")[1]!, "base64")), parseHostKey(line).fingerprint);
    });

    for (const bad of ["", "ssh-ed25519", "ssh-dss AAAA", "SHA256:abc", "ssh-ed25519 AAAAB3NzaC1yc2E="]) {
        it(`refuses ${JSON.stringify(bad)}`, () => {
            assert.throws(() => parseHostKey(bad), { code: "InvalidProperty", property: "connection.hostKey" });
        });
    }
});

function escape(text: string): string {
    return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
