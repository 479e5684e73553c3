// SPDX-License-Identifier: Apache-2.0
import { Secret } from "../api";
import { JsonBytes } from "./json-bytes";
import { Answer, NoAnswer, Origin, OriginRequest } from "./origin";
import { serverKey, Vault, VaultCredential, VaultFailure, VaultLogin, VaultServer } from "./vault";
import { Refusal, vaultRefusal } from "./vault-refusal";

// While it reads or revokes, the engine calls OpenAI (30 s at most each); a login calls nobody.
const timeoutMs = { login: 15_000, read: 90_000, revoke: 60_000 };

/** The HTTP API of OpenBao and Vault. */
export class HttpVault implements Vault {
    private readonly origins = new Map<string, Origin>();
    private closed = false;

    async login(server: VaultServer, mount: string, role: string, jwt: Secret, subject: string): Promise<VaultLogin> {
        const path = `auth/${trimmed(mount)}/login`;
        const about = { step: "login" as const, address: server.address, path, role, subject };
        const answer = await this.send(server, about, "POST", undefined, JSON.stringify({ jwt: jwt.reveal(), role }));
        const auth = succeeded(answer, about).auth as
            { client_token?: unknown; lease_duration?: unknown; num_uses?: unknown } | undefined;
        if (typeof auth?.client_token !== "string") {
            throw incomplete(about, "there is no auth.client_token in the answer");
        }
        return {
            token: new Secret(auth.client_token),
            ttlMs: seconds(auth.lease_duration) * 1_000,
            uses: seconds(auth.num_uses),
        };
    }

    async read(server: VaultServer, token: Secret, path: string): Promise<VaultCredential> {
        const about = { step: "read" as const, address: server.address, path: trimmed(path) };
        const answer = await this.send(server, about, "GET", token);
        requireSuccess(answer, about);
        try {
            const json = new JsonBytes(answer.body);
            const members = json.members(json.root);
            const data = members?.get("data");
            if (!data || !json.members(data)) {
                throw incomplete(about, "there is no data in the answer");
            }
            const lease = members?.get("lease_duration");
            return { content: json.compact(data), leaseMs: lease ? seconds(json.number(lease)) * 1_000 : 0 };
        } catch (error) {
            throw error instanceof SyntaxError ? incomplete(about, "the answer is not JSON") : error;
        } finally {
            answer.body.fill(0);
        }
    }

    async revokeSelf(server: VaultServer, token: Secret): Promise<void> {
        const about = { step: "revoke" as const, address: server.address, path: "auth/token/revoke-self" };
        const answer = await this.send(server, about, "POST", token);
        if (answer.status === 403 && isBareDenial(answer)) {
            return;
        }
        succeeded(answer, about);
    }

    close(): void {
        this.closed = true;
        this.origins.forEach((origin) => origin.close());
        this.origins.clear();
    }

    private async send(
        server: VaultServer,
        about: Pick<Refusal, "step" | "address" | "path">,
        method: string,
        token?: Secret,
        body?: string,
    ): Promise<Answer> {
        const request: OriginRequest = {
            method,
            path: `/v1/${about.path}`,
            timeoutMs: timeoutMs[about.step],
            body,
            headers: {
                "x-vault-request": "true",
                ...(body === undefined ? {} : { "content-type": "application/json" }),
                ...(token ? { "x-vault-token": token.reveal() } : {}),
                ...(server.namespace ? { "x-vault-namespace": trimmed(server.namespace) } : {}),
            },
        };
        try {
            if (this.closed) {
                throw new NoAnswer("ECANCELED", "the agent stops");
            }
            return await this.origin(server).request(request);
        } catch (error) {
            throw unreachable(server, error);
        }
    }

    private origin(server: VaultServer): Origin {
        const key = serverKey(server);
        let origin = this.origins.get(key);
        if (!origin) {
            origin = new Origin(server.address, server.caBundle);
            this.origins.set(key, origin);
        }
        return origin;
    }
}

function unreachable(server: VaultServer, error: unknown): VaultFailure {
    const text =
        error instanceof NoAnswer ? `${error.code}${error.message ? `, ${error.message}` : ""}` : String(error);
    return new VaultFailure(
        "VaultUnreachable",
        { property: "spec.vault.address", reason: `${server.address} gave no answer: ${text}` },
        "server",
    );
}

/** Throws the failure unless the answer is a success. */
function requireSuccess(answer: Answer, about: Pick<Refusal, "step" | "address" | "path">): void {
    if (answer.status < 200 || answer.status > 299) {
        throw vaultRefusal({
            ...about,
            status: answer.status,
            errors: errorsOf(answer),
            retryAfterMs: retryAfterMs(answer.headers["retry-after"]),
        });
    }
}

/** The body of a successful answer. Throws the failure for any other. */
function succeeded(answer: Answer, about: Pick<Refusal, "step" | "address" | "path">): Record<string, unknown> {
    requireSuccess(answer, about);
    if (answer.body.length === 0) {
        return {};
    }
    const body = parsed(answer.body);
    if (!body) {
        throw incomplete(about, "the answer is not a JSON object");
    }
    return body;
}

function errorsOf(answer: Answer): string[] {
    const errors = parsed(answer.body)?.errors;
    return Array.isArray(errors) ? errors.map(String) : [answer.body.toString("utf8", 0, 200)];
}

function parsed(body: Buffer): Record<string, unknown> | undefined {
    try {
        const value: unknown = JSON.parse(body.toString("utf8"));
        return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
    } catch {
        return undefined;
    }
}

function isBareDenial(answer: Answer): boolean {
    return errorsOf(answer).every((text) => text === "permission denied" || text === "bad token");
}

function incomplete(about: Pick<Refusal, "step" | "address" | "path">, reason: string): VaultFailure {
    return new VaultFailure("VaultRequestRefused", {
        property: "spec.vault.address",
        reason: `${about.address}/v1/${about.path}: ${reason}`,
        fix: "Point the CredentialSource at an OpenBao or Vault server.",
    });
}

/** Retry-After in seconds or as a date, in milliseconds from now. */
export function retryAfterMs(header: string | undefined, nowMs = Date.now()): number {
    if (!header) {
        return 0;
    }
    const wait = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
    return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

function seconds(value: unknown): number {
    return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

function trimmed(path: string): string {
    return path.replace(/^\/+|\/+$/g, "");
}
