// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
    encodeBegin,
    encodeBinding,
    encodeCommit,
    encodeInjection,
    encodeSecret,
    type KernelFacts,
    type KernelInjection,
    type KernelSecret,
} from "../../api/kernel-message";
import { tlsHelper } from "../../lab/helper";
import { keyOf, Machine, onWire, place, quote, slowness, type Step, write } from "./machine";

const state = "/run/wire-suite";
const trustDirectory = "/run/riptides/trust";
export const wireProgram = `${place}/wire`;

const meeting = `${state}/meeting`;
/** Actions by which a scenario waits for this side, once: see {@link Wire.begin}. */
export const meet = [`say=${meeting}`, `wait=${meeting}`];

/** Ports of tests/kernel/server; all are declared for every binding but `undeclared`. */
export const ports = {
    good: 8443,
    tls12: 8444,
    wrongName: 8445,
    expired: 8446,
    future: 8447,
    unknownAuthority: 8448,
    drop: 8449,
    silent: 8450,
    garbage: 8451,
    keyUpdate: 8452,
    undeclared: 8453,
};
export const host = "api.test";
export const otherHost = "second.test";
/** Long enough for a machine without hardware acceleration under load. */
export const handshakeMs = 6_000;

/** Seconds after which what waits gives up. */
export const patience = 60 * slowness;

/** A line of the server's journal. */
export interface Arrival {
    port: number;
    what: "open" | "request" | "end" | "broken" | "refused" | "plain";
    detail?: string;
    method?: string;
    target?: string;
    host?: string;
    header?: Record<string, string[]>;
    authorization?: string[];
    bodyLength: number;
    bodySha256?: string;
    version?: string;
    alpn?: string;
    sni?: string;
}

/** A binding of the suite: a user of its own, so that one table serves every test. */
export interface Binding {
    uid: number;
    facts?: KernelFacts[];
    /** Default: {@link host} and {@link otherHost} on every port, with a bearer. */
    injections?: KernelInjection[];
    /** Default: a bearer of its own; null: none. */
    secret?: KernelSecret | null;
}

export const bearerOf = (name: string) => `sk-canary-${name}-5d0c`;

const service = (name: string, port: number, change: Partial<KernelInjection>): KernelInjection => ({
    host: name,
    port,
    trust: "wiresuite",
    handshakeMs,
    rules: [],
    add: { kind: "header", name: "Authorization", prefix: "Bearer " },
    ...change,
});

/** The suite's services, changed. */
export function services(change: Partial<KernelInjection> = {}): KernelInjection[] {
    const declared = Object.values(ports).filter((port) => port !== ports.undeclared);
    return declared.flatMap((port) => [service(host, port, change), service(otherHost, port, change)]);
}

/** A request head for helpers/wire; `%` is the name of the scenario. */
export function request(method = "GET", target = "/%", ...fields: string[]): string {
    const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...fields, "", ""];
    return lines.join("\\r\\n");
}

/** One run of helpers/wire: what it does and what it sees. */
export interface Scenario {
    name: string;
    as?: number;
    /** Default: {@link wireProgram}; a copy of it. */
    program?: string;
    does: string[];
    sees: (string | RegExp)[];
    /** Requests that the server has got of it. */
    arrives?: number;
}

/** The machine with the module, the TLS helper, the servers and a table of bindings. */
export class Wire {
    private generation = 100n;

    private constructor(
        readonly machine: Machine,
        readonly bindings: Record<string, Binding>,
    ) {}

    /** `programs`: more of helpers/ to be placed. */
    static async start(bindings: Record<string, Binding>, programs: readonly string[] = []): Promise<Wire> {
        const machine = await Machine.start(["wire", "capture", "liar", "wirestorm", ...programs]);
        const wire = new Wire(machine, bindings);
        await wire.placeServer();
        await machine.sh(
            [
                `modprobe tls; rm -rf ${state}; mkdir -p ${state} ${trustDirectory}; chmod 755 ${trustDirectory}`,
                wire.unit("wire-server", `${place}/wire-server ${state}`),
                `cp ${state}/ca.pem ${trustDirectory}/wiresuite.pem`,
                `grep -q ${host} /etc/hosts || echo 127.0.0.1 ${host} ${otherHost} >>/etc/hosts`,
            ].join("; "),
        );
        await wire.startHelper();
        await wire.bind();
        return wire;
    }

    async stop(): Promise<void> {
        await this.machine.sh(
            "systemctl stop wire-server wire-server-apart riptides-tls wire-capture wire-liar 2>/dev/null; :",
        );
        await this.machine.stop();
    }

    async startHelper(): Promise<void> {
        await this.machine.sh(this.unit("riptides-tls", `${place}/riptides-tls`));
    }

    /** Ends the TLS helper as a crash would. */
    async killHelper(): Promise<void> {
        await this.machine.sh(
            "systemctl kill --signal=KILL riptides-tls; while systemctl -q is-active riptides-tls; do :; done",
        );
    }

    /** Puts the suite's table in force, changed, and publishes the secrets that it names. */
    async bind(change: Record<string, Binding> = {}, secrets = true): Promise<void> {
        const bindings = Object.entries({ ...this.bindings, ...change });
        const injections = bindings.flatMap(([name, binding]) =>
            (binding.injections ?? services()).map((injection) => encodeInjection(2n, keyOf(name), injection)),
        );
        const generation = ++this.generation;
        await this.machine.session(
            write(encodeBegin(2n, generation, bindings.length, injections.length)),
            ...bindings.map(([name, { uid, facts }]) =>
                write(encodeBinding(2n, keyOf(name), facts ?? [{ uid }], onWire)),
            ),
            ...injections.map(write),
            write(encodeCommit(2n, generation)),
            ...(secrets ? bindings.flatMap(([name, binding]) => secretSteps(name, binding)) : []),
        );
    }

    /** Publishes a bearer. */
    async publish(name: string, value: string, lifetimeMs = 3_600_000): Promise<void> {
        await this.machine.session(publish(name, value, lifetimeMs));
    }

    /** Runs scenarios one after the other in one command; answers each one's lines, without that of its identity. */
    async run(scenarios: readonly Scenario[]): Promise<string[][]> {
        const script = scenarios.map((scenario) => `${this.command(scenario)}; echo "== $?"`).join("\n");
        const output = await this.machine.sh("bash", script);
        const parts = output.split(/^== \d+\n/m).slice(0, -1);
        assert.equal(parts.length, scenarios.length, output);
        return parts.map((part) => part.trim().split("\n").slice(1));
    }

    /** The command that starts a scenario and returns where it meets ({@link meet}). */
    begin(scenario: Scenario): string {
        const begun = `(${this.command(scenario)}) >${meeting}.out; echo >${meeting}.done`;
        return `rm -f ${meeting} ${meeting}.done; mkfifo -m 666 ${meeting} ${meeting}.done; (${begun}) >/dev/null 2>&1 & timeout ${patience} head -c1 ${meeting} >/dev/null`;
    }

    /** The command that lets that scenario go on, and shows its lines once it has ended. */
    readonly finish = `printf x >${meeting}; timeout ${patience} head -c1 ${meeting}.done >/dev/null; cat ${meeting}.out`;

    /** The shell command of a scenario. */
    command({ name, as = this.bindings.bound!.uid, program = wireProgram, does }: Scenario): string {
        const actions = [`uid=${as}`, ...does].map((action) => quote(action.replaceAll("%", targetOf(name))));
        return `timeout -s KILL ${patience} ${program} ${actions.join(" ")} 2>&1`;
    }

    /** Waits until the journal has a line that matches, then answers all of it. */
    async journal(until?: string): Promise<Arrival[]> {
        if (until) {
            const wait = `grep -qm1 ${quote(until)} <(tail -n +1 --pid=$$ -f ${state}/journal)`;
            await this.machine.sh(`timeout ${patience} bash -c ${quote(wait)}`);
        }
        const lines = (await this.machine.sh(`cat ${state}/journal`)).trim().split("\n");
        return lines.filter(Boolean).map((line) => JSON.parse(line) as Arrival);
    }

    /** Lines of /proc/riptides/connections. */
    async connections(): Promise<string[]> {
        return (await this.machine.sh("cat /proc/riptides/connections")).split("\n").filter(Boolean);
    }

    async startCapture(): Promise<void> {
        await this.machine.sh(this.unit("wire-capture", `${place}/capture 8443 8453`, `${state}/capture`));
    }

    /** What was sent on lo since {@link startCapture}, by and to the servers. */
    async endCapture(): Promise<Buffer> {
        await this.machine.sh("systemctl stop wire-capture");
        const [counts, hex] = (await this.machine.sh(`cat ${state}/capture`)).split("\n");
        assert.match(counts ?? "", /^bytes=\d+ packets=\d+$/);
        return Buffer.from(hex ?? "", "hex");
    }

    /** Starts a program as a transient unit; returns once it has told systemd that it is ready. */
    unit(name: string, command: string, output?: string, property?: string): string {
        const properties = [
            `TimeoutStartSec=${patience}`,
            ...(output ? [`StandardOutput=truncate:${output}`] : []),
            ...(property ? [property] : []),
        ].map((value) => `-p ${value}`);
        return `systemctl reset-failed ${name} 2>/dev/null; systemd-run -q --service-type=notify ${properties.join(" ")} --unit=${name} ${command}`;
    }

    private async placeServer(): Promise<void> {
        const built = mkdtempSync(join(tmpdir(), "riptides-wire-server-"));
        try {
            const server = join(built, "wire-server");
            execFileSync("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", server, "."], {
                cwd: join(__dirname, "server"),
                env: { ...process.env, CGO_ENABLED: "0" },
            });
            const { file } = await tlsHelper();
            // Those of an earlier suite may run still.
            await this.machine.sh(
                `systemctl stop wire-server wire-server-apart riptides-tls wire-capture wire-liar 2>/dev/null; rm -f ${place}/wire-server ${place}/riptides-tls`,
            );
            await this.machine.guest.upload(server, `${place}/wire-server`);
            await this.machine.guest.upload(file, `${place}/riptides-tls`);
            await this.machine.sh(`chmod 755 ${place}/wire-server ${place}/riptides-tls`);
        } finally {
            rmSync(built, { recursive: true });
        }
    }
}

/** The step that publishes a bearer. */
export function publish(name: string, value: string, lifetimeMs = 3_600_000): Step {
    const secret = { kind: "header" as const, value: Buffer.from(value) };
    return write(encodeSecret(3n, keyOf(name), Date.now() + lifetimeMs, secret));
}

function secretSteps(name: string, { secret }: Binding): Step[] {
    if (secret === null) return [];
    return [
        secret ? write(encodeSecret(3n, keyOf(name), Date.now() + 3_600_000, secret)) : publish(name, bearerOf(name)),
    ];
}

/** A scenario's name as a path segment. */
export function targetOf(name: string): string {
    return name.replaceAll(/[^A-Za-z0-9]+/g, "-");
}

/**
 * A test for each scenario; all of them run in one command first, which spares a round trip each. Nothing of a scenario
 * may come to the server outside TLS, and every request of one must hold the bearer of its user once.
 */
export function scenarios(wire: () => Wire, list: readonly Scenario[]): void {
    let seen: string[][] = [];
    let arrivals: Arrival[] = [];

    before(async () => {
        seen = await wire().run(list);
        arrivals = await wire().journal();
    });

    list.forEach((scenario, index) => {
        it(scenario.name, () => {
            const lines = seen[index]!;
            const all = lines.join("\n");
            assert.equal(lines.length, scenario.sees.length, all);
            scenario.sees.forEach((expected, at) => {
                if (typeof expected === "string") assert.equal(lines[at], expected, all);
                else assert.match(lines[at]!, expected, all);
            });
            const target = `/${targetOf(scenario.name)}`;
            const mine = arrivals.filter((arrival) => arrival.target?.split(/[/?]/)[1] === target.slice(1));
            if (scenario.arrives !== undefined) {
                const requests = mine.filter(({ what }) => what === "request");
                assert.equal(requests.length, scenario.arrives, JSON.stringify(mine));
            }
            const plain = arrivals.filter(({ what, detail }) => what === "plain" && detail?.includes(`${target} `));
            assert.deepEqual(plain, []);
        });
    });
}
