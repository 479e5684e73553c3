// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { messageOf, RiptidesError, Secret } from "../api";

/** Secrets that live on the node sealed by systemd-creds: the agent's key and its token for the cluster. */
export type SealedName = "identity" | "cluster";

/** Where the sealed files are. */
export const sealedDirectory = "/var/lib/riptides";

/** Path of a sealed file. */
export function sealedFile(name: SealedName): string {
    return join(sealedDirectory, `${name}.cred`);
}

/** `true` when the sealed file exists. */
export function isSealed(name: SealedName): boolean {
    return existsSync(sealedFile(name));
}

/**
 * Seals a secret to this machine; its plaintext goes through a pipe only. The file appears whole or not at all: half of
 * one would pass for the node's identity ever after.
 * @throws RiptidesError `NodeCommand`
 */
export async function seal(name: SealedName, value: Secret, file = sealedFile(name)): Promise<void> {
    const made = `${file}.new`;
    rmSync(made, { force: true });
    await systemdCreds(["encrypt", `--name=${name}`, "-", made], value.reveal());
    const descriptor = openSync(made, "r");
    try {
        fsyncSync(descriptor);
    } finally {
        closeSync(descriptor);
    }
    renameSync(made, file);
}

/** A secret: from the directory that systemd gave the unit, or unsealed. @throws RiptidesError */
export async function unseal(name: SealedName): Promise<Secret> {
    const directory = process.env.CREDENTIALS_DIRECTORY;
    if (directory) {
        try {
            return new Secret(readFileSync(join(directory, name), "utf8").trim());
        } catch (error) {
            throw new RiptidesError("InvalidConfiguration", {
                property: name,
                reason: `systemd did not pass the credential on: ${messageOf(error)}`,
                fix: "Install the agent again.",
            });
        }
    }
    return new Secret((await systemdCreds(["decrypt", `--name=${name}`, sealedFile(name), "-"], "")).trim());
}

function systemdCreds(args: string[], input: string): Promise<string> {
    return new Promise((resolve, reject) => {
        const child = spawn("systemd-creds", args, { stdio: ["pipe", "pipe", "pipe"] });
        const output: Buffer[] = [];
        const complaints: Buffer[] = [];
        const fail = (reason: string) =>
            reject(new RiptidesError("NodeCommand", { reason: `systemd-creds ${args[0]} failed: ${reason}` }));
        child.stdout.on("data", (part: Buffer) => output.push(part));
        child.stderr.on("data", (part: Buffer) => complaints.push(part));
        child.stdin.on("error", (error) => fail(error.message));
        child.on("error", (error) => fail(error.message));
        child.on("close", (code) =>
            code === 0
                ? resolve(Buffer.concat(output).toString("utf8"))
                : fail(`exit code ${code}: ${Buffer.concat(complaints).toString("utf8").trim()}`),
        );
        child.stdin.end(input);
    });
}
