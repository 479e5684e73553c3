// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { Lab } from "../../lab";

/** Every frame of every interface of the node goes to one file: what anybody with a capture would have. */
const capture = `
import signal, socket, sys
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with open(sys.argv[1], "wb", 0) as frames:
    open(sys.argv[1] + ".ready", "w")
    while True:
        frames.write(tap.recv(262144))
`;

/**
 * Looks for forms in the memory of a process: patterns come on standard input, one a line; a count for each goes out. Reading the
 * memory of a process that may not be traced takes root.
 */
const memory = `
import re, sys
forms = [re.compile(line) for line in sys.stdin.buffer.read().split(b"\\n") if line]
counts = [0] * len(forms)
overlap = 4096
pid = sys.argv[1]
with open(f"/proc/{pid}/mem", "rb", 0) as mem:
    for line in open(f"/proc/{pid}/maps"):
        place, rights = line.split()[:2]
        if rights[0] != "r" or "[v" in line:
            continue
        at, end = (int(part, 16) for part in place.split("-"))
        tail = b""
        while at < end:
            mem.seek(at)
            try:
                part = mem.read(min(1 << 20, end - at))
            except OSError:
                break
            if not part:
                break
            at += len(part)
            text = tail + part
            for index, form in enumerate(forms):
                counts[index] += sum(match.end() > len(tail) for match in form.finditer(text))
            tail = text[-overlap:]
print(*counts)
`;

/** A capture that runs on the node. */
export class Tap {
    private constructor(
        private readonly lab: Lab,
        private readonly file: string,
        private readonly pid: string,
    ) {}

    static async start(lab: Lab): Promise<Tap> {
        const file = "/run/riptides-tap";
        const { stdout } = await must(
            lab,
            `rm -f ${file}*; cat > ${file}.py; python3 ${file}.py ${file} > ${file}.log 2>&1 & pid=$!
            until test -e ${file}.ready; do kill -0 $pid || { cat ${file}.log >&2; exit 1; }; sleep 0.05; done; echo $pid`,
            capture,
        );
        return new Tap(lab, file, stdout.trim());
    }

    /** Ends the capture and counts the lines of it in which each form occurs. @param forms extended regular expressions */
    async stop(forms: readonly string[]): Promise<number[]> {
        const { stdout } = await must(
            this.lab,
            `kill ${this.pid}; while kill -0 ${this.pid} 2>/dev/null; do sleep 0.05; done
            while IFS= read -r form; do LC_ALL=C grep -aEc -e "$form" ${this.file}; done; rm -f ${this.file}*`,
            forms.map((form) => `${form}\n`).join(""),
        );
        const counts = stdout.trim().split("\n").map(Number);
        assert.equal(counts.length, forms.length, stdout);
        return counts;
    }
}

/** How often each form occurs in the readable memory of a process. @param forms Python's regular expressions for bytes */
export async function inMemory(lab: Lab, pid: number, forms: readonly string[]): Promise<number[]> {
    // The program goes on the command line: it holds no secret, and the forms, which may, come on standard input.
    const { stdout } = await must(
        lab,
        `python3 -c "$(printf %s ${Buffer.from(memory).toString("base64")} | base64 -d)" ${pid}`,
        forms.map((form) => `${form}\n`).join(""),
    );
    const counts = stdout.trim().split(" ").map(Number);
    assert.equal(counts.length, forms.length, stdout);
    return counts;
}

async function must(lab: Lab, command: string, stdin: string): Promise<{ stdout: string }> {
    const { code, stdout, stderr } = await lab.node.exec(command, { stdin, timeoutMs: 5 * 60_000 });
    assert.equal(code, 0, `on the node, this ended with ${code}: ${stderr || stdout}`);
    return { stdout };
}
