// SPDX-License-Identifier: Apache-2.0
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { Severity } from "./resource";

const severities = {
    debug: LogSeverity.DEBUG,
    info: LogSeverity.INFO,
    warning: LogSeverity.WARNING,
    error: LogSeverity.ERROR,
};

const logMilliseconds = 5_000;

/** The engine's log. The connection is made when the first line is sent, so that a quiet provider starts faster. */
export class Engine {
    #client: EngineClient | undefined;
    #address: string | undefined;
    readonly #pending = new Set<Promise<void>>();

    constructor(address?: string) {
        this.#address = address;
    }

    /** Points at another engine, as Attach and Handshake ask. */
    attach(address: string): void {
        if (address && address !== this.#address) {
            this.#client?.close();
            this.#client = undefined;
            this.#address = address;
        }
    }

    /** Sends a line. Ephemeral lines are the status of the resource's row. Without an engine it goes to stderr. */
    log(severity: Severity, message: string, urn: string, ephemeral: boolean): void {
        if (!this.#address) {
            if (!ephemeral) {
                console.error(`${severity}: ${message}`);
            }
            return;
        }
        const request = new LogRequest();
        request.setSeverity(severities[severity]);
        request.setMessage(message);
        request.setUrn(urn);
        request.setEphemeral(ephemeral);
        const sent = new Promise<void>((resolve) => {
            this.#connect().log(request, new grpc.Metadata(), { deadline: Date.now() + logMilliseconds }, (error) => {
                if (error && !ephemeral) {
                    console.error(`${severity}: ${message} (the engine's log is unreachable: ${error.message})`);
                }
                resolve();
            });
        });
        this.#pending.add(sent);
        void sent.then(() => this.#pending.delete(sent));
    }

    /** Resolves when every line has been sent: the engine shows what came before an answer only. */
    async flush(): Promise<void> {
        await Promise.all(this.#pending);
    }

    close(): void {
        this.#client?.close();
        this.#client = undefined;
    }

    #connect(): EngineClient {
        if (!this.#client) {
            this.#client = new EngineClient(this.#address!, grpc.credentials.createInsecure());
        }
        return this.#client;
    }
}
