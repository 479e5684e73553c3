// SPDX-License-Identifier: Apache-2.0
import { Watch } from "@kubernetes/client-node/dist/watch.js";
import { clusterBackOff, delayMs } from "./back-off";
import type { Cancel, Clock } from "./clock";

/** One page of a list. */
export interface ListPage {
    items: RawObject[];
    resourceVersion: string;
    /** Token of the next page. */
    next?: string;
}

/** An object as the API server gives it. */
export interface RawObject {
    metadata: {
        name: string;
        uid?: string;
        generation?: number;
        creationTimestamp?: string;
        resourceVersion?: string;
        deletionTimestamp?: string;
    };
    spec?: unknown;
    status?: unknown;
}

export interface InformerOptions {
    /** Collection, for example `/apis/core.riptides.io/v1alpha1/namespaces/x/credentialbindings`. */
    path: string;
    list(path: string, page: string | undefined): Promise<ListPage>;
    watch: Pick<Watch, "watch">;
    clock: Clock;
    /** An object was added or changed. */
    onObject(object: RawObject): void;
    onDeleted(name: string): void;
    /** A whole list has been taken in; `names` are all that exist. */
    onListed(names: Set<string>): void;
    /** The list or watch failed (it is tried again), or works again. */
    onFault(fault: Error | undefined): void;
}

// The server ends a watch after this long; one that has not ended somewhat later hangs on a connection that is dead.
const watchSeconds = 290;
const watchLimitMs = (watchSeconds + 30) * 1_000;
// A watch that lasted this long was sound: its end is no reason to back off.
const soundWatchMs = 5_000;

/**
 * Follows one collection: list, watch from there, watch again where it ended, and list anew when the server no longer
 * knows the place (410) or after an error, with back-off. It keeps no objects: what is worth keeping is the listener's choice.
 */
export class Informer {
    private failures = 0;
    private stopped = false;
    private resourceVersion = "";
    private abort?: AbortController;
    private cancelRetry?: Cancel;

    constructor(private readonly options: InformerOptions) {}

    start(): void {
        void this.follow();
    }

    stop(): void {
        this.stopped = true;
        this.cancelRetry?.();
        this.abort?.abort();
    }

    private async follow(): Promise<void> {
        try {
            if (!this.resourceVersion) {
                await this.list();
            }
            if (this.stopped) {
                return;
            }
            this.failures = 0;
            this.options.onFault(undefined);
            await this.watchOnce();
            this.again(0);
        } catch (error) {
            if (this.stopped) {
                return;
            }
            this.failures++;
            this.resourceVersion = "";
            this.options.onFault(error as Error);
            this.again(delayMs(clusterBackOff, this.failures, this.options.clock));
        }
    }

    private again(waitMs: number): void {
        if (!this.stopped) {
            this.cancelRetry = this.options.clock.after(waitMs, () => void this.follow());
        }
    }

    private async list(): Promise<void> {
        const names = new Set<string>();
        let page: ListPage | undefined;
        do {
            page = await this.options.list(this.options.path, page?.next);
            for (const object of page.items) {
                if (this.take(object)) {
                    names.add(object.metadata.name);
                }
            }
        } while (page.next && !this.stopped);
        this.resourceVersion = page.resourceVersion;
        this.options.onListed(names);
    }

    /** Ends when the server ends the watch in good order; throws on a fault. */
    private async watchOnce(): Promise<void> {
        const { clock, watch, path } = this.options;
        const startedAt = clock.now();
        let moved = false;
        let late = false;
        let cancelLimit: Cancel | undefined;
        await new Promise<void>((resolve, reject) => {
            cancelLimit = clock.after(watchLimitMs, () => {
                late = true;
                this.abort?.abort();
                reject(new Error(`watch of ${path}: the server has fallen silent`));
            });
            const query = {
                resourceVersion: this.resourceVersion,
                allowWatchBookmarks: true,
                timeoutSeconds: watchSeconds,
            };
            const onLine = (type: string, object: RawObject & { code?: number; message?: string }) => {
                if (type === "ERROR") {
                    this.resourceVersion = "";
                    if (object.code !== 410) {
                        reject(new Error(`watch of ${path}: ${object.message ?? `status ${object.code}`}`));
                    }
                    return;
                }
                moved = true;
                this.resourceVersion = object.metadata.resourceVersion ?? this.resourceVersion;
                if (type === "DELETED") {
                    this.options.onDeleted(object.metadata.name);
                } else if (type !== "BOOKMARK") {
                    this.take(object);
                }
            };
            this.abort = undefined;
            watch
                .watch(path, query, onLine, (error: unknown) => {
                    const status = (error as { statusCode?: number } | null)?.statusCode;
                    if (!error || this.stopped) {
                        resolve();
                    } else if (status === 410) {
                        this.resourceVersion = "";
                        resolve();
                    } else {
                        reject(error instanceof Error ? error : new Error(String(error)));
                    }
                })
                .then((controller) => {
                    this.abort = controller;
                    if (this.stopped || late) {
                        controller.abort();
                    }
                }, reject);
        }).finally(() => cancelLimit?.());
        if (!moved && clock.now() - startedAt < soundWatchMs && !this.stopped) {
            // Ended at once and without news, again and again: the server or something before it is unwell.
            await new Promise<void>((resolve) => {
                this.cancelRetry = clock.after(delayMs(clusterBackOff, 1, clock), resolve);
            });
        }
    }

    private take(object: RawObject): boolean {
        if (object.metadata.deletionTimestamp) {
            this.options.onDeleted(object.metadata.name);
            return false;
        }
        this.options.onObject(object);
        return true;
    }
}
