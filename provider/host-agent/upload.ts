// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { Duration, RiptidesError } from "../../api";
import type { LocalFile } from "./bundle";
import { environment } from "./node-state";
import { expectSuccess, type Session } from "./session";

/** A file to be put on a node. */
export interface Placement {
    /** Absolute path on the node. */
    path: string;
    /** Octal permission bits, for example `0755`. */
    mode: string;
    content: LocalFile | { text: string; size: number; sha256: string };
}

// A slow link with a runtime of 90 MB.
const uploadTimeout = Duration.seconds(1800);

// Each file arrives under another name, is compared with its digest and written to disk, and only then takes its place.
const receive = `${environment}
set -e
gzip -dc | while read -r size mode sha path; do
    mkdir -p "$(dirname "$path")"
    rm -f "$path.new"
    head -c "$size" > "$path.new"
    if [ "$(sha256sum < "$path.new" | head -c 64)" != "$sha" ]; then
        rm -f "$path.new"
        echo "$path arrived damaged or cut" >&2
        exit 1
    fi
    chmod "$mode" "$path.new"
    sync "$path.new"
    mv -f "$path.new" "$path"
    echo "$path"
done
`;

/**
 * Puts files on a node in one compressed stream; each appears whole or not at all.
 * @param progress is told the octets read so far and their total
 * @throws RiptidesError `NodeCommand`, `NodeUnreachable`
 */
export async function upload(
    session: Session,
    files: readonly Placement[],
    progress: (done: number, total: number) => void = () => undefined,
): Promise<void> {
    const total = files.reduce((sum, { content }) => sum + content.size, 0);
    let done = 0;
    async function* stream(): AsyncGenerator<Buffer> {
        for (const { path, mode, content } of files) {
            yield Buffer.from(`${content.size} ${mode} ${content.sha256} ${path}\n`);
            const parts = "text" in content ? [Buffer.from(content.text)] : createReadStream(content.path);
            for await (const part of parts) {
                yield part as Buffer;
                done += (part as Buffer).length;
                progress(done, total);
            }
        }
    }
    const stdin = Readable.from(stream());
    const compressed = createGzip({ level: constants.Z_BEST_SPEED });
    // An upload that is cut off closes the file, too; the reason is that of the script.
    pipeline(stdin, compressed, () => undefined);
    const written = await expectSuccess(session, "uploading files", receive, {
        stdin: compressed,
        timeout: uploadTimeout,
    });
    const missing = files.find(({ path }) => !written.split("\n").includes(path));
    if (missing) {
        throw new RiptidesError("NodeCommand", { reason: `${missing.path} did not arrive on ${session.node}` });
    }
}
