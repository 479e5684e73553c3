// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { buildWorkload } from "../../examples/openai-agent/app/build";
import type { Lab } from "../../lab";
import { root } from "../suites";

/** A line that a workload of examples/ prints for each call it makes. */
export interface Call {
    at: string;
    /** Which call, where a workload makes several kinds. */
    call?: string;
    ok: boolean;
    status?: number;
    error?: string;
    models?: number;
    reply?: string;
    same?: boolean;
    keyId?: string;
    /** Names of the fields of the credential file. */
    fields?: string[];
    readError?: string;
}

/** A workload of an example on the lab's node, run by its own systemd unit. */
export class Unit {
    private constructor(
        private readonly lab: Lab,
        /** Name of the program and of its unit. */
        readonly name: string,
        private readonly environment: Record<string, string>,
    ) {}

    /**
     * Puts program and unit on the node. It runs from then on, with or without a credential.
     * @param example folder of examples/ with `app/<name>.ts` and `app/<name>.service`
     */
    static async install(lab: Lab, example: string, name: string, environment: Record<string, string>): Promise<Unit> {
        const app = join(root, "examples", example, "app");
        const program = await buildWorkload(join(root, "dist", name), join(app, `${name}.ts`));
        const unit = new Unit(lab, name, environment);
        await unit.must(`systemctl stop ${name}.service 2>/dev/null; true`);
        await lab.node.upload(program, unit.program);
        await lab.node.upload(join(app, `${name}.service`), `/etc/systemd/system/${name}.service`);
        await unit.must(`chmod 755 ${unit.program}`);
        await unit.restart();
        return unit;
    }

    /** Where the program is on the node. */
    get program(): string {
        return `/usr/local/bin/${this.name}`;
    }

    /** Starts it anew. @param more added to the environment it was installed with, for this start */
    async restart(more: Record<string, string> = {}): Promise<void> {
        const lines = Object.entries({ ...this.environment, ...more }).map(
            ([name, value]) => `Environment="${name}=${value}"\n`,
        );
        const folder = `/etc/systemd/system/${this.name}.service.d`;
        await this.must(
            `mkdir -p ${folder}; cat > ${folder}/lab.conf; systemctl daemon-reload; systemctl restart ${this.name}.service`,
            `[Service]\n${lines.join("")}`,
        );
    }

    /** The calls since a moment, oldest first. @param since seconds since 1970 on the node's clock */
    async calls(since: number): Promise<Call[]> {
        const journal = await this.must(`journalctl -u ${this.name}.service -o cat --no-pager --since=@${since}`);
        return journal
            .split("\n")
            .filter((line) => line.startsWith("{"))
            .map((line) => JSON.parse(line) as Call);
    }

    /** The running process. */
    async pid(): Promise<number> {
        return Number(await this.must(`systemctl show -p MainPID --value ${this.name}.service`));
    }

    /** The node's clock, in seconds since 1970. */
    async now(): Promise<number> {
        return Number(await this.must("date +%s.%N"));
    }

    /** Runs a command on the node as root. @throws when it fails */
    async must(command: string, stdin?: string): Promise<string> {
        const { code, stdout, stderr } = await this.lab.node.exec(command, { stdin });
        if (code !== 0) {
            throw new Error(`on the node, ${command} ended with ${code}: ${stderr || stdout}`);
        }
        return stdout;
    }

    async remove(): Promise<void> {
        await this.must(
            `systemctl stop ${this.name}.service; rm -rf /etc/systemd/system/${this.name}.service* ${this.program}; systemctl daemon-reload`,
        );
    }
}
