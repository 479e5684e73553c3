// SPDX-License-Identifier: Apache-2.0

/** What a compiled kernel module says about itself. */
export interface KernelModule {
    version: string;
    /** Digest that the kernel also shows of a loaded module. */
    sourceVersion: string;
    /** Kernel release it was built for. */
    kernelRelease: string;
    /** Carries a signature; whether the node trusts its key is known to the node only. */
    signed: boolean;
}

const signatureMagic = Buffer.from("~Module signature appended~\n");

/** Reads the `.modinfo` of a module file; undefined when it is none. */
export function parseKernelModule(image: Buffer): KernelModule | undefined {
    const release = modinfo(image, "vermagic")?.split(" ")[0];
    if (image.subarray(0, 4).toString("latin1") !== "\u007fELF" || !release) {
        return undefined;
    }
    return {
        version: modinfo(image, "version") ?? "",
        sourceVersion: modinfo(image, "srcversion") ?? "",
        kernelRelease: release,
        signed: image.subarray(-signatureMagic.length).equals(signatureMagic),
    };
}

// The section is a run of `key=value` texts, each ended by a zero; the keys occur nowhere else in that form.
function modinfo(image: Buffer, key: string): string | undefined {
    const mark = Buffer.from(`\0${key}=`);
    const at = image.indexOf(mark);
    if (at < 0) {
        return undefined;
    }
    const start = at + mark.length;
    return image.subarray(start, image.indexOf(0, start)).toString("utf8");
}
