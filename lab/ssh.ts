// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { statSync } from "node:fs";
import { Client, type ConnectConfig, type SFTPWrapper } from "ssh2";

export interface ExecResult {
    code: number;
    stdout: string;
    stderr: string;
}

export interface ExecOptions {
    stdin?: string | Buffer;
    /** Default: two minutes. */
    timeoutMs?: number;
}

export interface SshTarget {
    host: string;
    port: number;
    user: string;
    privateKey: string;
    /** OpenSSH public key line of the server: "ssh-ed25519 AAAA…". */
    hostKey: string;
}

const defaultTimeoutMs = 120_000;
const connectTimeoutMs = 30_000;

/** One connection, opened at the first command and again when it was lost; commands share it as channels. */
export class Ssh {
    private connection: Promise<Client> | undefined;

    constructor(private readonly target: SshTarget) {}

    /** Runs a command line by the user's shell; any exit status is an answer, a signal is 128 + 15, no answer in time an error. */
    async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
        const client = await this.connect();
        const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
        return new Promise((resolve, reject) => {
            const shown = command.length > 120 ? `${command.slice(0, 120)}…` : command;
            const timer = setTimeout(() => {
                reject(new Error(`on the node: no end within ${timeoutMs} ms: ${shown}`));
                this.close();
            }, timeoutMs);
            client.exec(command, (error, channel) => {
                if (error) {
                    clearTimeout(timer);
                    reject(error);
                    return;
                }
                const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
                let code: number | undefined;
                channel.on("data", (chunk: Buffer) => output.stdout.push(chunk));
                channel.stderr.on("data", (chunk: Buffer) => output.stderr.push(chunk));
                channel.on("exit", (status: number | null) => (code = status ?? 128 + 15));
                channel.on("close", () => {
                    clearTimeout(timer);
                    const text = {
                        stdout: Buffer.concat(output.stdout).toString(),
                        stderr: Buffer.concat(output.stderr).toString(),
                    };
                    if (code === undefined)
                        reject(new Error(`on the node: the connection was lost during: ${shown}\n${text.stderr}`));
                    else resolve({ code, ...text });
                });
                channel.end(options.stdin ?? "");
            });
        });
    }

    /** Copies a file, keeping its permission bits. The remote file appears whole or not at all. */
    async upload(local: string, remote: string): Promise<void> {
        const client = await this.connect();
        const sftp = await new Promise<SFTPWrapper>((resolve, reject) =>
            client.sftp((error, found) => (error ? reject(error) : resolve(found))),
        );
        const beside = `${remote}.${randomBytes(4).toString("hex")}.new`;
        try {
            await new Promise<void>((resolve, reject) =>
                sftp.fastPut(local, beside, { mode: statSync(local).mode & 0o7777 }, (error) =>
                    error ? reject(error) : resolve(),
                ),
            );
            await new Promise<void>((resolve, reject) =>
                sftp.ext_openssh_rename(beside, remote, (error) => (error ? reject(error) : resolve())),
            );
        } catch (error) {
            throw new Error(`${local} cannot be copied to ${remote} on the node: ${(error as Error).message}`);
        } finally {
            sftp.end();
        }
    }

    /** Ends the connection; the next command opens a new one. */
    close(): void {
        const connection = this.connection;
        this.connection = undefined;
        connection?.then(
            (client) => client.end(),
            () => undefined,
        );
    }

    private connect(): Promise<Client> {
        this.connection ??= new Promise<Client>((resolve, reject) => {
            const client = new Client();
            const lost = (error?: Error) => {
                this.connection = undefined;
                reject(error ?? new Error(`${this.target.host}:${this.target.port}: the SSH connection was closed`));
            };
            client.once("ready", () => {
                // An idle connection must not keep the program that opened the lab from ending.
                (client as unknown as { _sock: { unref(): void } })._sock.unref();
                resolve(client);
            });
            client.on("error", lost);
            client.once("close", () => lost());
            client.connect(this.configuration());
        });
        return this.connection;
    }

    private configuration(): ConnectConfig {
        const expected = Buffer.from(this.target.hostKey.split(" ")[1] ?? "", "base64");
        const digest = (key: Buffer) => createHash("sha256").update(key).digest();
        return {
            host: this.target.host,
            port: this.target.port,
            username: this.target.user,
            privateKey: this.target.privateKey,
            readyTimeout: connectTimeoutMs,
            keepaliveInterval: 15_000,
            hostVerifier: (key: Buffer) => timingSafeEqual(digest(key), digest(expected)),
        };
    }
}
