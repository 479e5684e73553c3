// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { Server, utils, type Connection, type ParsedKey } from "ssh2";

/** A pair of keys as OpenSSH writes them. */
export interface KeyPair {
    private: string;
    public: string;
}

/** New keys of a type that OpenSSH knows. */
export function newKeys(type: "ed25519" | "rsa" = "ed25519"): KeyPair {
    return type === "rsa" ? utils.generateKeyPairSync("rsa", { bits: 2048 }) : utils.generateKeyPairSync("ed25519");
}

/** A node's sshd on a loopback port: real SSH, one user key, commands run by the shell of this machine. */
export class SshServer {
    /** Command lines that were asked for. */
    readonly commands: string[] = [];
    /** Logins that were tried, right or wrong. */
    logins = 0;
    private readonly connections = new Set<Connection>();

    private constructor(
        private readonly server: Server,
        readonly port: number,
    ) {}

    static async start(hostKeys: KeyPair[], user: KeyPair, port = 0): Promise<SshServer> {
        const authorized = utils.parseKey(user.public) as ParsedKey;
        const server = new Server({ hostKeys: hostKeys.map((key) => key.private) });
        server.listen(port, "127.0.0.1");
        await once(server, "listening");
        const started = new SshServer(server, (server.address() as AddressInfo).port);
        server.on("connection", (connection) => started.serve(connection, authorized));
        return started;
    }

    /** Cuts every connection, as a node that loses power does. */
    cut(): void {
        this.connections.forEach((connection) => connection.end());
    }

    async stop(): Promise<void> {
        this.cut();
        this.server.close();
        await once(this.server, "close");
    }

    private serve(connection: Connection, authorized: ParsedKey): void {
        this.connections.add(connection);
        connection.on("error", () => undefined);
        connection.on("close", () => this.connections.delete(connection));
        connection.on("authentication", (attempt) => {
            this.logins++;
            if (attempt.method !== "publickey" || !attempt.key.data.equals(authorized.getPublicSSH())) {
                attempt.reject(["publickey"]);
            } else if (
                !attempt.signature ||
                authorized.verify(attempt.blob!, attempt.signature, attempt.hashAlgo) === true
            ) {
                attempt.accept();
            } else {
                attempt.reject(["publickey"]);
            }
        });
        connection.on("session", (accept) => {
            accept().on("exec", (acceptExec, _reject, { command }) => {
                this.commands.push(command);
                const channel = acceptExec();
                const child = spawn("/bin/sh", ["-c", command]);
                channel.pipe(child.stdin);
                child.stdin.on("error", () => undefined);
                child.stdout.pipe(channel, { end: false });
                child.stderr.pipe(channel.stderr, { end: false });
                channel.on("close", () => child.kill());
                child.on("close", (code) => {
                    channel.exit(code ?? 1);
                    channel.end();
                });
            });
        });
    }
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function unusedPort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
}
