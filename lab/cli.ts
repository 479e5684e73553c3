// SPDX-License-Identifier: Apache-2.0
// `npm run lab -- up | env | ssh [command] | logs [part] | helper | down`: a lab for working by hand.
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requirePrograms } from "./debian";
import { exportsOf, knownHosts, sshCommand } from "./exports";
import { down, open, placeHelper, up, type GuestName } from "./index";
import { tail } from "./log-tail";
import { defaultName, labDirectory } from "./paths";
import { guestNames, readState } from "./state";
import { isRunning } from "./part";

const usage = `npm run lab -- <command>       (the lab's name is $RIPTIDES_LAB, "default" without it)
  up [trixie|bookworm|debug] start it and leave it running; the node is Debian 13 (default), 12, or 13 with the debug kernel
      [--no-module]       do not build the kernel module and the TLS helper
  env                     shell exports: eval "$(npm run --silent lab -- env)"
  ssh [command]           a shell, or one command, on the node as root
  logs [part]             the last lines of every log, or the whole of one
  helper                  build the TLS helper into dist/bundle/helper/<architecture>/; needs no lab
  down                    stop it and remove its keys and disks; logs stay
`;

async function main(command: string | undefined, args: string[]): Promise<number> {
    const name = defaultName();
    switch (command) {
        case "up": {
            const guest = args.find((arg) => !arg.startsWith("-")) ?? "trixie";
            if (!guestNames.includes(guest as GuestName)) return wrong(`there is no guest ${guest}`);
            if (isUp(name)) {
                process.stderr.write(`lab: ${name} is up already\n`);
                return 0;
            }
            await up({ name, guest: guest as GuestName, keep: true, module: !args.includes("--no-module") });
            process.stderr.write(`lab: ${name} is up: eval "$(npm run --silent lab -- env)"\n`);
            return 0;
        }
        case "env":
            process.stdout.write(exportsOf(await open(name)));
            return 0;
        case "ssh": {
            const lab = await open(name);
            await requirePrograms("ssh");
            writeFileSync(join(lab.dir, "known_hosts"), knownHosts(lab));
            const [program, ...rest] = sshCommand(lab);
            return spawnSync(program as string, [...rest, ...args], { stdio: "inherit" }).status ?? 1;
        }
        case "logs": {
            const directory = labDirectory(name);
            const logs = readdirSync(directory).filter((file) => file.endsWith(".log"));
            const asked = args[0];
            if (asked !== undefined && !logs.includes(`${asked}.log`)) {
                return wrong(`there is no log ${asked}; there are ${logs.map((file) => file.slice(0, -4)).join(", ")}`);
            }
            for (const log of asked === undefined ? logs : [`${asked}.log`]) {
                const file = join(directory, log);
                const text = asked === undefined ? `==> ${file}\n${tail(file, 20)}\n` : tail(file, Infinity, Infinity);
                process.stdout.write(`${text}\n`);
            }
            return 0;
        }
        case "helper":
            process.stdout.write(`${await placeHelper()}\n`);
            return 0;
        case "down":
            await down({ name });
            return 0;
        default:
            return wrong(command ? `there is no command ${command}` : "a command is missing");
    }
}

function isUp(name: string): boolean {
    const state = readState(labDirectory(name));
    return state !== undefined && state.ready && state.parts.every(isRunning);
}

function wrong(why: string): number {
    process.stderr.write(`lab: ${why}\n\n${usage}`);
    return 2;
}

main(process.argv[2], process.argv.slice(3)).then(
    (code) => process.exit(code),
    (error: unknown) => {
        process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
    },
);
