// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { moduleFor, open } from "../../lab";
import { Ssh, type ExecOptions, type ExecResult } from "../../lab/ssh";

/** A machine whose kernel the suite may use as it likes. Commands run as root. */
export interface Guest {
    exec(command: string, options?: ExecOptions): Promise<ExecResult>;
    upload(local: string, remote: string): Promise<void>;
    disconnect(): void;
    /** The module built for its kernel, on this machine. */
    moduleFile: string;
}

/** What `$RIPTIDES_KERNEL_GUEST` names: a JSON file that describes a machine other than the lab's node. */
interface GuestFile {
    host: string;
    port: number;
    privateKeyFile: string;
    hostKey: string;
    moduleFile: string;
}

/** The machine of `$RIPTIDES_KERNEL_GUEST`, else the node of the running lab with the module of this checkout. */
export async function kernelGuest(): Promise<Guest> {
    const description = process.env.RIPTIDES_KERNEL_GUEST;
    if (description) {
        const { host, port, privateKeyFile, hostKey, moduleFile } = JSON.parse(
            readFileSync(description, "utf8"),
        ) as GuestFile;
        const privateKey = readFileSync(privateKeyFile, "utf8");
        const ssh = new Ssh({ host, port, user: "root", privateKey, hostKey });
        return {
            exec: (command, options) => ssh.exec(command, options),
            upload: (local, remote) => ssh.upload(local, remote),
            disconnect: () => ssh.close(),
            moduleFile,
        };
    }
    const { node, guest } = await open();
    const { file } = await moduleFor(guest);
    return { exec: node.exec, upload: node.upload, disconnect: node.disconnect, moduleFile: file };
}
