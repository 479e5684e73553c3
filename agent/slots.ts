// SPDX-License-Identifier: Apache-2.0

/** Lets at most `count` tasks run at once; the others wait in order of arrival. */
export class Slots {
    private readonly waiting: (() => void)[] = [];
    private free: number;

    constructor(count: number) {
        this.free = count;
    }

    async run<T>(task: () => Promise<T>): Promise<T> {
        if (this.free > 0) {
            this.free--;
        } else {
            await new Promise<void>((resolve) => this.waiting.push(resolve));
        }
        try {
            return await task();
        } finally {
            const next = this.waiting.shift();
            if (next) {
                next();
            } else {
                this.free++;
            }
        }
    }
}
