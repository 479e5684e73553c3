// SPDX-License-Identifier: Apache-2.0
import { Vault, VaultCredential, VaultFailure, VaultLogin, VaultServer } from "../../agent/vault";
import { Secret } from "../../api";
import type { FakeClock } from "./agent-clock";

interface Token {
    uses: number;
    expiresAtMs: number;
    key?: string;
    subject: string;
}

/** OpenBao with the OpenAI engine, as far as tokens go: a token dies with its last use, and its key with it. */
export class FakeVault implements Vault {
    readonly tokens = new Map<string, Token>();
    /** Requests in order: `login`, `read openai/creds/x`, `revoke`. */
    readonly requests: string[] = [];
    leaseMs = 900_000;
    tokenTtlMs = 3_600_000;
    uses = 2;
    mostAtOnce = 0;
    /** Answers every request of a step until taken away. */
    faults: { login?: VaultFailure; read?: VaultFailure; revoke?: VaultFailure } = {};
    /** The read takes effect but its answer is lost, once. */
    loseNextRead = false;
    /** More fields of the next answers' data. */
    data: Record<string, unknown> = {};
    /** Every content that a read gave: all must be overwritten. */
    readonly contents: Buffer[] = [];
    /** Each request waits for this. */
    gate: Promise<void> = Promise.resolve();
    private made = 0;
    private logins = 0;
    private now = 0;

    constructor(private readonly clock: FakeClock) {}

    /** Keys that would work at OpenAI now. */
    get liveKeys(): string[] {
        return [...this.tokens.values()].flatMap(({ key, expiresAtMs }) =>
            key !== undefined && expiresAtMs > this.clock.now() ? [key] : [],
        );
    }

    get keysMade(): number {
        return this.made;
    }

    async login(
        _server: VaultServer,
        _mount: string,
        _role: string,
        _jwt: Secret,
        subject: string,
    ): Promise<VaultLogin> {
        return this.serve("login", "login", () => {
            const token = `s.token${String(++this.logins).padStart(19, "0")}`;
            this.tokens.set(token, { uses: this.uses, expiresAtMs: this.clock.now() + this.tokenTtlMs, subject });
            return { token: new Secret(token), ttlMs: this.tokenTtlMs, uses: this.uses };
        });
    }

    async read(_server: VaultServer, token: Secret, path: string): Promise<VaultCredential> {
        return this.serve("read", `read ${path}`, () => {
            const found = this.use(token);
            if (found.uses === 0) {
                this.tokens.delete(token.reveal());
                throw new VaultFailure("VaultTokenUses", { reason: "one use left" });
            }
            found.key = `sk-svcacct-${++this.made}`;
            found.expiresAtMs = Math.min(found.expiresAtMs, this.clock.now() + this.leaseMs);
            if (this.loseNextRead) {
                this.loseNextRead = false;
                throw new VaultFailure("VaultUnreachable", { reason: "ECONNRESET" }, "server");
            }
            const content = Buffer.from(JSON.stringify({ api_key: found.key, subject: found.subject, ...this.data }));
            this.contents.push(content);
            return { content, leaseMs: this.leaseMs };
        });
    }

    async revokeSelf(_server: VaultServer, token: Secret): Promise<void> {
        return this.serve("revoke", "revoke", () => {
            this.tokens.delete(token.reveal());
        });
    }

    close(): void {
        this.requests.push("close");
    }

    private use(token: Secret): Token {
        const found = this.tokens.get(token.reveal());
        if (!found) {
            throw new VaultFailure("VaultTokenUses", { reason: "permission denied" });
        }
        found.uses--;
        return found;
    }

    private async serve<T>(step: "login" | "read" | "revoke", line: string, answer: () => T): Promise<T> {
        this.requests.push(line);
        this.now++;
        this.mostAtOnce = Math.max(this.mostAtOnce, this.now);
        try {
            await this.gate;
            await new Promise<void>((resolve) => setImmediate(resolve));
            const fault = this.faults[step];
            if (fault) {
                throw fault;
            }
            return answer();
        } finally {
            this.now--;
        }
    }
}
