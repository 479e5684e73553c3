// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acceleratorArguments } from "./accelerator";
import type { GuestImage } from "./guest-image";
import { tail } from "./log-tail";
import { isRunning, start, untilReady, type RunningPart } from "./part";
import { Qmp } from "./qmp";

const socketLimitMs = 20_000;

export interface MachineOptions {
    /** Where the log and the console's log go. */
    directory: string;
    image: GuestImage;
    /** A qcow2 overlay of the image's disk. */
    disk: string;
    /** Port of 127.0.0.1 that leads to the guest's port 22. */
    sshPort?: number;
    kernelArguments?: string;
    /** File with the memory of a prepared guest, to wake it instead of a cold start. */
    memory?: string;
}

/** The hardware, the same for a cold start and for waking: what differs between the two breaks the wake. */
export const hardware = [
    ...["-machine", "pc", "-smp", "2", "-nodefaults", "-no-user-config", "-display", "none"],
    ...["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci", "-device", "vmgenid,guid=auto"],
];

/** A QEMU process with its control socket and the port by which the guest gets its identity. */
export class Machine {
    private constructor(
        readonly part: RunningPart,
        readonly identity: IdentityPort,
        readonly qmp: Qmp,
    ) {}

    /** Turns a machine on. `started` learns of the process before anything is waited for. */
    static async power(options: MachineOptions, started: (part: RunningPart) => void): Promise<Machine> {
        const { directory, image } = options;
        const serial = join(directory, "node.console.log");
        // A socket's path may have 107 characters: the lab's directory can be deeper than that.
        const sockets = mkdtempSync(join(tmpdir(), "riptides-"));
        const [identity, control] = [join(sockets, "identity"), join(sockets, "control")];
        const forward = options.sshPort === undefined ? "" : `,hostfwd=tcp:127.0.0.1:${options.sshPort}-:22`;
        const append = `root=/dev/vda rw console=ttyS0 quiet mitigations=off systemd.show_status=no`;
        const args = [
            ...(await acceleratorArguments()),
            ...hardware,
            ...["-m", String(image.memoryMb), "-kernel", image.kernel],
            ...(image.initrd ? ["-initrd", image.initrd] : []),
            ...["-append", [append, image.kernelArguments, options.kernelArguments].filter(Boolean).join(" ")],
            ...["-drive", `file=${options.disk},if=virtio,format=qcow2,cache=unsafe`],
            ...["-netdev", `user,id=net${forward}`],
            ...["-chardev", `file,id=console,path=${serial},append=on`, "-serial", "chardev:console"],
            ...["-chardev", `socket,id=identity,path=${identity},server=on,wait=off`, "-serial", "chardev:identity"],
            ...["-qmp", `unix:${control},server=on,wait=off`],
            ...(options.memory ? ["-incoming", `exec:cat '${options.memory}'`] : []),
        ];
        try {
            const part = await start(directory, { name: "node", file: "qemu-system-x86_64", args });
            started(part);
            await untilReady(
                part,
                "no sockets",
                socketLimitMs,
                async () => existsSync(identity) && existsSync(control),
            );
            return new Machine(part, await IdentityPort.open(identity, part, serial), await Qmp.open(control));
        } finally {
            rmSync(sockets, { recursive: true });
        }
    }

    /** Gives up the connections; the machine goes on. */
    release(): void {
        this.identity.close();
        this.qmp.close();
    }
}

/** The host's end of the guest's second serial port. */
class IdentityPort {
    private text = "";
    private changed: () => void = () => undefined;

    private constructor(
        private readonly socket: Socket,
        private readonly part: RunningPart,
        private readonly serial: string,
    ) {
        socket.setEncoding("latin1");
        socket.on("data", (chunk: string) => {
            this.text += chunk;
            this.changed();
        });
        socket.on("close", () => this.changed());
        // "close" follows; says() tells with the console's last lines.
        socket.on("error", () => undefined);
    }

    static open(path: string, part: RunningPart, serial: string): Promise<IdentityPort> {
        return new Promise((resolve, reject) => {
            const socket = connect(path);
            socket.once("connect", () => resolve(new IdentityPort(socket, part, serial)));
            socket.once("error", reject);
        });
    }

    /** Waits for a line from the guest. */
    async says(word: string, timeoutMs: number): Promise<void> {
        const deadline = Date.now() + timeoutMs;
        while (!this.text.split("\n").includes(word)) {
            const left = deadline - Date.now();
            if (this.socket.destroyed || !isRunning(this.part) || left <= 0) {
                const why = left <= 0 ? `did not say "${word}" within ${timeoutMs / 1000} s` : "ended";
                throw new Error(
                    `the node ${why}. ${tail(this.part.log, 5)}\nLast lines of its console, ${this.serial}:\n${tail(this.serial)}`,
                );
            }
            let timer: NodeJS.Timeout | undefined;
            await new Promise<void>((resolve) => {
                this.changed = resolve;
                timer = setTimeout(resolve, left);
            });
            clearTimeout(timer);
        }
    }

    send(archive: Buffer): void {
        this.socket.write(`${archive.length} ${(Date.now() / 1000).toFixed(3)}\n`);
        this.socket.write(archive);
    }

    close(): void {
        this.socket.destroy();
    }
}
