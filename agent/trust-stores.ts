// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TrustStore } from "./injection-plan";

/** Where the TLS helper finds the certificate authorities of a service. They are public. */
export interface TrustStores {
    /** Makes the store readable under its name. */
    keep(store: TrustStore): void;
    /** Removes all but these. */
    prune(names: ReadonlySet<string>): void;
}

/** `RuntimeDirectory=` of the unit is the folder above. */
export const trustDirectory = "/run/riptides/trust";

/** `<name>.pem` in one directory, which the helper (another user) reads. */
export class TrustDirectory implements TrustStores {
    private present?: Set<string>;

    constructor(private readonly directory = trustDirectory) {}

    keep({ name, pem }: TrustStore): void {
        const present = this.open();
        const file = `${name}.pem`;
        if (present.has(file)) {
            return;
        }
        // Whole or not at all: the helper may read at any moment. The unit's umask keeps others out of new files.
        const made = join(this.directory, `${file}.new`);
        writeFileSync(made, pem);
        chmodSync(made, 0o644);
        renameSync(made, join(this.directory, file));
        present.add(file);
    }

    prune(names: ReadonlySet<string>): void {
        if (!this.present && names.size === 0 && !this.exists()) {
            return;
        }
        const present = this.open();
        for (const file of [...present].filter((known) => !names.has(known.replace(/\.pem$/, "")))) {
            rmSync(join(this.directory, file), { force: true });
            present.delete(file);
        }
    }

    private open(): Set<string> {
        if (!this.present) {
            mkdirSync(this.directory, { recursive: true });
            chmodSync(this.directory, 0o755);
            this.present = new Set(readdirSync(this.directory));
        }
        return this.present;
    }

    private exists(): boolean {
        try {
            return readdirSync(this.directory).length > 0;
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code === "ENOENT") {
                return false;
            }
            throw error;
        }
    }
}
