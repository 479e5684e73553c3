// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Bundle, LocalFile } from "../../provider/host-agent/bundle";
import { parseKernelModule } from "../../provider/host-agent/kernel-module";
import type { Completed, RunOptions, Session } from "../../provider/host-agent/session";

export const kernelRelease = "6.12.1-fake";

/**
 * A node in a directory: the installer's own scripts run in a real shell on real files below it. What would change this
 * machine (systemd, the kernel, sealing, the runtime) is played by small scripts, which note what they were asked.
 */
export class NodeDirectory implements Session {
    readonly node = "gpu-1 (test)";
    readonly root = mkdtempSync(join(tmpdir(), "riptides-node-"));
    /** Secrets that arrived by standard input of something that is no upload. */
    readonly inputs: string[] = [];
    readonly scripts: string[] = [];
    /** Runs before each script; throws to play a connection that is lost. */
    beforeRun: (script: string) => void = () => undefined;

    constructor() {
        for (const directory of ["usr/lib", "etc/systemd/system", "var/lib", "run", "sys/module", "proc/1", "bin"]) {
            mkdirSync(join(this.root, directory), { recursive: true });
        }
        this.write("/proc/1/comm", "systemd\n");
        this.write("/proc/modules", "");
        this.write("/proc/sys/net/ipv4/tcp_available_ulp", "mptcp tls\n");
        for (const [name, body] of Object.entries(players)) {
            writeFileSync(join(this.root, "bin", name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
        }
    }

    async run(script: string, options: RunOptions = {}): Promise<Completed> {
        this.scripts.push(script);
        this.beforeRun(script);
        const child = spawn("sh", ["-c", this.rewritten(script)], { env: { ...process.env, NODE: this.root } });
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        child.stdout.on("data", (part: Buffer) => out.push(part));
        child.stderr.on("data", (part: Buffer) => err.push(part));
        const closed = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
        const { stdin } = options;
        if (stdin instanceof Readable) {
            await pipeline(stdin, child.stdin).catch(() => undefined);
        } else {
            if (stdin) {
                this.inputs.push(Buffer.from(stdin).toString());
            }
            child.stdin.end(stdin);
        }
        const code = await closed;
        // Paths come back as a node would print them.
        const text = (parts: Buffer[]) => Buffer.concat(parts).toString().replaceAll(this.root, "");
        return { code, stdout: text(out), stderr: text(err) };
    }

    close(): void {}

    /** What was done so far, in order; forgets it. */
    takeLog(): string[] {
        const file = join(this.root, "log");
        const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
        rmSync(file, { force: true });
        return lines.filter(Boolean);
    }

    read(path: string): string {
        return readFileSync(join(this.root, path), "utf8");
    }

    write(path: string, text: string): void {
        const file = join(this.root, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
    }

    remove(path: string): void {
        rmSync(join(this.root, path), { recursive: true, force: true });
    }

    has(path: string): boolean {
        return existsSync(join(this.root, path));
    }

    /** Every file below the directories that a node has, without those of the players. */
    files(): string[] {
        return ["usr", "etc", "var", "run", "sys"].flatMap((top) =>
            readdirSync(join(this.root, top), { recursive: true, withFileTypes: true })
                .filter((entry) => entry.isFile())
                .map((entry) => join(entry.parentPath, entry.name).slice(this.root.length)),
        );
    }

    dispose(): void {
        rmSync(this.root, { recursive: true, force: true });
    }

    private rewritten(script: string): string {
        return script
            .replace(
                /(?<![\w/$}])(\/(?:usr\/(?:lib|include)|etc|var\/lib|run|sys|proc|lib\/modules))(?=[/\s"';)]|$)/g,
                `${this.root}$1`,
            )
            .replace("PATH=", `PATH=${this.root}/bin:`)
            .replace("read -r size mode sha path; do", 'read -r size mode sha asked; do path="$NODE$asked"')
            .replace('echo "$path"\ndone', 'echo "put $asked" >> "$NODE/log"; echo "$asked"\ndone');
    }
}

const moduleField = `tr '\\0' '\\n' < "$2" | sed -n "s/^$1=//p"`;

const players: Record<string, string> = {
    id: 'cat "$NODE/uid" 2>/dev/null || echo 0',
    uname: `case $1 in -m) echo x86_64;; -r) echo ${kernelRelease};; *) echo gpu-1;; esac`,
    getconf: "echo glibc 2.41",
    dmesg: "exit 0",
    strip: "exit 0",
    gcc: "exit 0",
    modprobe: "exit 1",
    make: `echo "make $*" >> "$NODE/log"
[ ! -e "$NODE/fail-make" ] || { cat "$NODE/fail-make" >&2; exit 2; }
if [ -e ../uapi ]; then cat main.c > riptides-tls; else cat main.c > riptides.ko; fi`,
    journalctl: 'cat "$NODE/journal" 2>/dev/null; exit 0',
    field: moduleField,
    modinfo: 'exec "$NODE/bin/field" "$2" "$3"',
    insmod: `echo insmod >> "$NODE/log"
[ ! -e "$NODE/fail-insmod" ] || { cat "$NODE/fail-insmod" >&2; exit 1; }
mkdir "$NODE/sys/module/riptides" || exit 1
for f in version srcversion; do "$NODE/bin/field" $f "$1" > "$NODE/sys/module/riptides/$f"; done`,
    // With a file hold-module, as long as the number in it is above 0.
    rmmod: `echo rmmod >> "$NODE/log"
held=$(cat "$NODE/hold-module" 2>/dev/null || echo 0)
if [ "$held" -gt 0 ]; then
    echo $((held - 1)) > "$NODE/hold-module"; echo "rmmod: ERROR: Module riptides is in use" >&2; exit 1
fi
rm -r "$NODE/sys/module/riptides"`,
    sleep: "exit 0",
    "systemd-creds": `case $1 in encrypt) ;; *) exit 2;; esac
[ ! -e "$NODE/fail-seal" ] || { echo "no key" >&2; exit 1; }
echo "seal $2" >> "$NODE/log"; sha256sum > "$4"`,
    // Names of the agent's unit are left out of the log, and so are they in the names of the files that hold its state.
    systemctl: `name= suffix=
for word; do case $word in riptides-tls.service) name=" riptides-tls" suffix=-tls;; esac; done
unit=$NODE/etc/systemd/system/riptides\${suffix:--agent}.service
active=$NODE/active$suffix enabled=$NODE/enabled$suffix
state=$(cat "$active" 2>/dev/null || echo inactive)
note() { echo "systemctl $1$name" >> "$NODE/log"; }
case "$*" in
--version) echo "systemd 257 (257.9-1)";;
"show -p StatusText --value"*) echo;;
"show -p LoadState"*)
  if [ -e "$unit" ]; then echo LoadState=loaded; else echo LoadState=not-found; fi
  if [ -e "$enabled" ]; then echo UnitFileState=enabled; else echo UnitFileState=; fi
  echo "ActiveState=$state";;
show*) echo "ActiveState=$state"; echo SubState=auto-restart; echo "StatusText=$(cat "$NODE/status" 2>/dev/null)";;
daemon-reload) note daemon-reload;;
enable*) note enable; touch "$enabled";;
disable*) note disable; rm -f "$enabled"; case "$*" in *--now*) echo inactive > "$active";; esac;;
restart*) note restart; [ ! -e "$NODE/fail-start$suffix" ] || { echo "Job failed" >&2; echo activating > "$active"; exit 1; }; echo active > "$active";;
stop*) note stop; echo inactive > "$active";;
start*) note start; echo active > "$active";;
reset-failed*) ;;
*) echo "unexpected: systemctl $*" >&2; exit 1;;
esac`,
};

// Plays node and agent.js: `node [flags] agent.js <command> --config FILE`.
const runtime = `#!/bin/sh
[ "$1" != --use-openssl-ca ] || shift
echo "agent $2" >> "$NODE/log"
sealed=$NODE/var/lib/riptides/identity.cred
case $2 in
init)
  [ -s "$sealed" ] || { [ -d "\${sealed%/*}" ] || exit 1; od -An -tx1 -N8 /dev/urandom | tr -d ' ' > "$sealed"; }
  id=$(sed -n 's/.*"agentId": "\\(.*\\)".*/\\1/p' "$4")
  printf '{"agentId":"%s","publicKey":"-----BEGIN PUBLIC KEY-----\\\\n%s"}\\n' "$id" "$(cat "$sealed")";;
drain) [ ! -e "$NODE/fail-drain" ] || { cat "$NODE/fail-drain"; exit 1; }; echo '{"revoked":1,"pending":0}';;
esac
`;

export interface FakeBundleOptions {
    agent?: string;
    module?: { version: string; source: string; signed?: boolean } | false;
    sources?: string;
    /** Text of the TLS helper's program for the node's architecture, or of its sources. */
    helper?: { program?: string; sources?: string };
}

/** A bundle of small files below `directory`, for nodes in directories. */
export function fakeBundle(directory: string, options: FakeBundleOptions = {}): Bundle {
    const file = (name: string, content: string | Buffer): LocalFile => {
        const path = join(directory, `${digest(content).slice(0, 8)}-${name}`);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, content);
        return { path, size: Buffer.byteLength(content), sha256: digest(content) };
    };
    const version = options.agent ?? "0.1.0";
    const agent = { ...file("agent.js", `// riptides-agent ${version}\n`), version };
    const unit = file("unit", "[Unit]\n");
    const node = { ...file("node", runtime), architecture: "x86_64" };
    const sources = new Map(options.sources ? [["main.c", file("main.c", options.sources)]] : []);
    const modules: Bundle["modules"] = new Map(
        [options.module ?? { version: "0.1.0", source: "AAA" }].flatMap((wanted) => {
            if (wanted === false) {
                return [];
            }
            const image = moduleImage(wanted.version, wanted.source, wanted.signed);
            return [[kernelRelease, { ...file("riptides.ko", image), ...parseKernelModule(image)! }] as const];
        }),
    );
    const { program, sources: text } = options.helper ?? {};
    const helper: Bundle["helper"] = options.helper && {
        unit: file("riptides-tls.service", "[Unit]\n"),
        programs: new Map(program ? [["x86_64", file("riptides-tls", program)]] : []),
        sources: new Map(
            text
                ? [
                      ["helper/main.c", file("helper.c", text)],
                      ["uapi/riptides.h", file("riptides.h", "")],
                  ]
                : [],
        ),
    };
    const helperParts = helper ? [helper.unit, ...helper.programs.values(), ...helper.sources.values()] : [];
    const parts = [agent, unit, node, ...sources.values(), ...modules.values(), ...helperParts];
    const sha256 = digest(parts.map((part) => part.sha256).join());
    return { directory, agent, unit, runtime: node, sources, modules, ...(helper && { helper }), sha256 };
}

/** What the beginning of a module file and its `.modinfo` look like. */
export function moduleImage(version: string, source: string, signed = false, release = kernelRelease): Buffer {
    const info = [`version=${version}`, `srcversion=${source}`, `vermagic=${release} SMP mod_unload`, ""];
    const tail = signed ? "~Module signature appended~\n" : "";
    return Buffer.from(`\u007fELF\0${info.join("\0")}${tail}`, "latin1");
}

function digest(content: string | Buffer): string {
    return createHash("sha256").update(content).digest("hex");
}
