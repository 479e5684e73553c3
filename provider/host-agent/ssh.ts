// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import { Duration, messageOf, RiptidesError, type Secret } from "../../api";
import { fingerprintOf, type HostKey, type HostKeyAlgorithm } from "./host-key";
import { ordinaryTimeout, quote, type Completed, type RunOptions, type Session } from "./session";

/** Where to log in, and as whom. */
export interface Target {
    host: string;
    port: number;
    user: string;
    privateKey: Secret;
    hostKey: HostKey;
}

export interface ConnectOptions {
    /** Ends the connection, and every command on it. */
    signal: AbortSignal;
    /** How long to wait for a node that does not answer yet, for example while it starts. */
    patience: Duration;
    /** Says what is being waited for. */
    status(text: string): void;
}

const handshakeTimeout = Duration.seconds(30);
const keepAlive = Duration.seconds(10);
const missedKeepAlives = 3;
const retryPause = Duration.seconds(2);
const longestOutput = 1 << 20;

/**
 * Opens one SSH connection by public key. Nothing is sent to a server before it has proved that it holds `hostKey`.
 * @throws RiptidesError `HostKeyMismatch`, `NodeAuthentication`, `NodeUnreachable`, `InvalidProperty` (private key)
 */
export async function connect(target: Target, options: ConnectOptions): Promise<Session> {
    const deadline = Date.now() + options.patience.milliseconds;
    for (;;) {
        options.signal.throwIfAborted();
        try {
            return new SshSession(await login(target, options.signal), target, options.signal);
        } catch (error) {
            if (!(error instanceof Absent) || Date.now() + retryPause.milliseconds > deadline) {
                throw error instanceof Absent ? error.failure : error;
            }
            options.status(`waiting for sshd at ${place(target)} (${error.message})`);
            await pause(retryPause.milliseconds, undefined, { signal: options.signal });
        }
    }
}

/**
 * Reads a private key for {@link connect}, to find at once what the login would find.
 * @throws RiptidesError `InvalidProperty`
 */
export async function checkPrivateKey(key: Secret): Promise<void> {
    const { default: ssh2 } = await import("ssh2");
    const parsed = ssh2.utils.parseKey(key.reveal());
    const fix = "Give the text of an unencrypted OpenSSH or PEM private key.";
    if (parsed instanceof Error) {
        throw new RiptidesError("InvalidProperty", { property: "connection.privateKey", reason: parsed.message, fix });
    }
    const [first] = [parsed].flat();
    if (!first?.isPrivateKey()) {
        throw new RiptidesError("InvalidProperty", {
            property: "connection.privateKey",
            reason: "it is a public key",
            fix,
        });
    }
}

/** The node is not there (yet): worth another attempt. */
class Absent extends Error {
    readonly failure: RiptidesError;

    constructor(target: Target, reason: string) {
        super(reason);
        this.failure = new RiptidesError("NodeUnreachable", {
            property: "connection.host",
            reason: `${place(target)} cannot be reached by SSH: ${reason}`,
        });
    }
}

function place({ host, port }: Target): string {
    return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

async function login(target: Target, signal: AbortSignal): Promise<Client> {
    const seen = new Set<string>();
    for (const algorithms of target.hostKey.attempts) {
        const client = await attempt(target, algorithms, seen, signal);
        if (client) {
            return client;
        }
    }
    throw new RiptidesError("HostKeyMismatch", {
        property: "connection.hostKey",
        reason: `${place(target)} shows the key ${[...seen].join(", ") || "of an unknown type"}, expected is ${target.hostKey.fingerprint}; nothing was sent to it`,
    });
}

// Undefined: the server has no key of these types, or another one.
async function attempt(
    target: Target,
    algorithms: readonly HostKeyAlgorithm[],
    seen: Set<string>,
    signal: AbortSignal,
): Promise<Client | undefined> {
    const { default: ssh2 } = await import("ssh2");
    const client = new ssh2.Client();
    const abort = () => client.destroy();
    signal.addEventListener("abort", abort);
    let verified = false;
    try {
        return await new Promise<Client | undefined>((resolve, reject) => {
            client.on("ready", () => resolve(client));
            client.on("error", (error: Error & { level?: string; code?: string }) => {
                if (signal.aborted) {
                    reject(signal.reason);
                } else if (error.level === "client-authentication") {
                    reject(
                        new RiptidesError("NodeAuthentication", {
                            property: "connection.privateKey",
                            reason: `${place(target)} does not accept the key for the user ${target.user}`,
                        }),
                    );
                } else if (!verified && (seen.size > 0 || /no matching host key/.test(error.message))) {
                    resolve(undefined);
                } else {
                    reject(new Absent(target, error.code ?? error.message));
                }
            });
            client.on("close", () => reject(signal.aborted ? signal.reason : new Absent(target, "connection closed")));
            client.connect({
                host: target.host,
                port: target.port,
                username: target.user,
                privateKey: target.privateKey.reveal(),
                authHandler: ["publickey"],
                algorithms: { serverHostKey: [...algorithms] },
                hostVerifier: (key: Buffer) => {
                    const fingerprint = fingerprintOf(key);
                    verified = fingerprint === target.hostKey.fingerprint;
                    if (!verified) {
                        seen.add(fingerprint);
                    }
                    return verified;
                },
                readyTimeout: handshakeTimeout.milliseconds,
                keepaliveInterval: keepAlive.milliseconds,
                keepaliveCountMax: missedKeepAlives,
            });
        });
    } finally {
        signal.removeEventListener("abort", abort);
        client.removeAllListeners();
        // What the transport still says after the verdict has no listener otherwise, and would end the process.
        client.on("error", () => undefined);
    }
}

class SshSession implements Session {
    readonly node: string;
    private lost: string | undefined;

    constructor(
        private readonly client: Client,
        private readonly target: Target,
        private readonly signal: AbortSignal,
    ) {
        this.node = place(target);
        client.on("error", (error) => (this.lost ??= error.message));
        client.on("close", () => (this.lost ??= "connection closed"));
    }

    async run(script: string, options: RunOptions = {}): Promise<Completed> {
        this.signal.throwIfAborted();
        const shell = `sh -c ${quote(script)}`;
        const elevated = options.as === "user" || this.target.user === "root" ? shell : `sudo -n -- ${shell}`;
        const timeout = options.timeout ?? ordinaryTimeout;
        const command = await this.open(elevated);
        const { channel } = command;
        if (this.signal.aborted) {
            this.client.destroy();
            throw this.signal.reason;
        }
        return new Promise<Completed>((resolve, reject) => {
            const stdout = new Tail();
            const stderr = new Tail();
            const end = (settle: () => void) => {
                clearTimeout(timer);
                this.signal.removeEventListener("abort", abort);
                settle();
            };
            const kill = (reason: unknown) => {
                end(() => reject(reason));
                // sshd ends what it runs for us only when told; a server that cannot be told still loses the connection.
                channel.signal("TERM");
                channel.close();
            };
            const abort = () => {
                kill(this.signal.reason);
                this.client.destroy();
            };
            const timer = setTimeout(
                () =>
                    kill(
                        new RiptidesError("NodeCommand", {
                            reason: `a command on ${this.node} did not end within ${timeout}`,
                        }),
                    ),
                timeout.milliseconds,
            );
            this.signal.addEventListener("abort", abort);
            channel.on("data", (data: Buffer) => stdout.push(data));
            channel.stderr.on("data", (data: Buffer) => stderr.push(data));
            channel.on("close", () =>
                end(() =>
                    command.code === undefined
                        ? reject(this.disconnected())
                        : resolve({ code: command.code, stdout: stdout.text(), stderr: stderr.text() }),
                ),
            );
            // A script that ends without reading its input is judged by its exit code.
            this.feed(channel, options.stdin).catch((error: unknown) => {
                if (options.stdin instanceof Readable && options.stdin.errored) {
                    kill(error);
                }
            });
        });
    }

    close(): void {
        this.client.end();
    }

    private open(text: string): Promise<Command> {
        return new Promise((resolve, reject) => {
            if (this.lost !== undefined) {
                reject(this.disconnected());
                return;
            }
            this.client.exec(text, (error, channel) => {
                if (error) {
                    this.lost ??= messageOf(error);
                    reject(this.signal.aborted ? this.signal.reason : this.disconnected());
                } else {
                    const command: Command = { channel };
                    // At once: the exit status of a short command arrives in the same packet as the word that it runs.
                    channel.on("exit", (status: number | null) => (command.code = status ?? -1));
                    resolve(command);
                }
            });
        });
    }

    private async feed(channel: ClientChannel, stdin: Uint8Array | Readable | undefined): Promise<void> {
        if (stdin instanceof Readable) {
            await pipeline(stdin, channel.stdin);
        } else {
            channel.stdin.on("error", () => undefined);
            channel.end(stdin);
        }
    }

    private disconnected(): RiptidesError {
        return new RiptidesError("NodeUnreachable", {
            property: "connection.host",
            reason: `the connection to ${this.node} was lost (${this.lost ?? "no exit status came"})`,
            fix: "Check the node and the network; `pulumi up` continues from here.",
        });
    }
}

/** A script that runs. */
interface Command {
    channel: ClientChannel;
    /** Exit code, once it has ended; -1 when a signal ended it. */
    code?: number;
}

/** Keeps the end of an output. */
class Tail {
    private parts: Buffer[] = [];
    private length = 0;

    push(part: Buffer): void {
        this.parts.push(part);
        this.length += part.length;
        while (this.length - this.parts[0]!.length >= longestOutput) {
            this.length -= this.parts.shift()!.length;
        }
    }

    text(): string {
        return Buffer.concat(this.parts).toString("utf8");
    }
}
