// SPDX-License-Identifier: Apache-2.0
import * as assert from "node:assert/strict";
import { testFiles } from "../suites";
import { Machine, modulePath, place } from "./machine";

const foreign = `${place}/riptides-foreign.ko`;
const list = "ls -d /sys/module/riptides /dev/riptides* /proc/riptides 2>/dev/null; grep -o ^riptides /proc/modules; :";

// Only a reboot takes a lockdown or sig_enforce back, and then no module of this suite loads: this is its last file.
describe("kernel module: a kernel that takes signed modules only", function () {
    this.timeout(400_000);
    let machine: Machine | undefined;

    before(async function () {
        assert.equal(testFiles("kernel").at(-1), __filename, "files run in the order of their names");
        machine = await Machine.start();
        // The debug guest's kernel knows of no signatures.
        if ((await machine.guest.exec("test -e /sys/kernel/security/lockdown")).code !== 0) this.skip();
        await machine.sh(signWithForeignKey);
        assert.equal((await machine.sh(list)).split("\n").filter(Boolean).length, 5);
        await machine.unload();
        assert.equal(await machine.sh(list), "");
    });
    after(() => machine?.stop());

    /** How a load ends: what insmod says, what the kernel's log has got, and what there is afterwards. */
    const load = async (file: string) => {
        const before = (await machine!.log()).length;
        const { code, stderr } = await machine!.guest.exec(`LC_ALL=C insmod ${file}`);
        const log = (await machine!.log()).slice(before);
        return { code, said: stderr.trim().split(": ").at(-1), log, left: await machine!.sh(list) };
    };
    const locked = "Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7";

    it("given a lockdown, refuses it with EPERM, also when it is signed by a stranger, and nothing is left", async () => {
        assert.equal((await load(foreign)).code, 0, "without a lockdown it must load");
        await machine!.unload();
        await machine!.sh("echo integrity >/sys/kernel/security/lockdown");
        for (const file of [modulePath, `-f ${modulePath}`, foreign]) {
            const refused = { code: 1, said: "Operation not permitted", log: [locked], left: "" };
            assert.deepEqual(await load(file), refused, file);
        }
    });

    it("given module.sig_enforce, refuses it with EKEYREJECTED, the same way", async () => {
        await machine!.sh("echo 1 >/sys/module/module/parameters/sig_enforce");
        for (const [file, what] of [
            [modulePath, "unsigned module"],
            [`-f ${modulePath}`, "unsigned module"],
            [foreign, "module with unavailable key"],
        ] as const) {
            assert.deepEqual(
                await load(file),
                { code: 1, said: "Key was rejected by service", log: [`Loading of ${what} is rejected`], left: "" },
                file,
            );
        }
    });

    it("given both, loads a module that the distribution signed", async () => {
        await machine!.sh("modprobe dummy && rmmod dummy");
    });
});

/** As scripts/sign-file of the kernel does: a signature in CMS, its length, and the mark of a signed module. */
const signWithForeignKey = [
    "cd $(mktemp -d)",
    "openssl req -new -x509 -newkey rsa:2048 -nodes -days 1 -subj '/CN=a stranger/' -keyout key.pem -out cert.pem 2>/dev/null",
    `openssl cms -sign -binary -noattr -nocerts -md sha256 -signer cert.pem -inkey key.pem -in ${modulePath} -outform DER -out signature`,
    `(cat ${modulePath} signature; printf '\\0\\0\\2\\0\\0\\0\\0\\0'; printf '%08x' $(stat -c %s signature) | sed 's/../\\\\x&/g' | xargs -0 printf '%b'; echo '~Module signature appended~') >${foreign}`,
].join(" && ");
