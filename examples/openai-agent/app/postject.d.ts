// SPDX-License-Identifier: Apache-2.0
declare module "postject" {
    /** Puts a blob into an executable under a name. */
    export function inject(file: string, name: string, blob: Buffer, options: { sentinelFuse: string }): Promise<void>;
}
