// SPDX-License-Identifier: Apache-2.0
// One read (open, read, close) of the credential file by the bound process, checks and all, against a file of the same size on tmpfs.
import { BenchNode } from "./node";
import { lessIsBetter, type Row } from "./row";

export async function bench(): Promise<Row[]> {
    const node = await BenchNode.start();
    await node.must(
        "mkdir -p /run/bench-read; head -c 300 /dev/zero > /run/bench-read/file; chmod -R a+rX /run/bench-read",
    );
    const rounds = (await node.read(node.keyFile, "/run/bench-read/file"))
        .trim()
        .split("\n")
        .map((line) => line.split(" ").map(Number));
    return [
        lessIsBetter(
            "sysfs-read: one read by the bound process",
            "ns",
            rounds.map(([ours]) => ours!),
            rounds.map(([, peer]) => peer!),
        ),
    ];
}
