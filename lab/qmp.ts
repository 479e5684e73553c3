// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

interface Reply {
    QMP?: object;
    return?: unknown;
    error?: { class: string; desc: string };
}

/** QEMU's control socket: one command at a time. */
export class Qmp {
    private readonly waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];

    private constructor(private readonly socket: Socket) {
        createInterface({ input: socket }).on("line", (line) => {
            const reply = JSON.parse(line) as Reply;
            // Anything else is an event, which nobody here waits for.
            if ("return" in reply || "error" in reply || "QMP" in reply) this.waiting.shift()?.resolve(reply);
        });
        const lost = (error?: Error) => {
            for (const one of this.waiting.splice(0)) one.reject(error ?? new Error("QEMU closed its control socket"));
        };
        socket.on("error", lost);
        socket.on("close", () => lost());
    }

    static async open(path: string): Promise<Qmp> {
        const qmp = new Qmp(connect(path));
        await qmp.reply();
        await qmp.execute("qmp_capabilities");
        return qmp;
    }

    /** @throws with QEMU's own words when it refuses */
    async execute<T>(command: string, argument: object = {}): Promise<T> {
        const answer = this.reply();
        this.socket.write(`${JSON.stringify({ execute: command, arguments: argument })}\n`);
        const reply = await answer;
        if (reply.error) throw new Error(`QEMU refused ${command}: ${reply.error.desc}`);
        return reply.return as T;
    }

    close(): void {
        this.socket.destroy();
    }

    private reply(): Promise<Reply> {
        return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
    }
}
