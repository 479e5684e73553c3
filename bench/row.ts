// SPDX-License-Identifier: Apache-2.0

/** One comparison. */
export interface Row {
    /** Name of the bench and of the figure, for example `provider: start to port`. */
    bench: string;
    ours: number;
    peer: number;
    /** Above 1: ours is better. */
    ratio: number;
    unit: string;
}

/** Middle value of figures; the mean of the two middle ones of an even count. */
export function median(figures: readonly number[]): number {
    const sorted = [...figures].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A row of figures of which less is better, taken in turn: the ratio is the median of the pairs' ratios. */
export function lessIsBetter(bench: string, unit: string, ours: readonly number[], peer: readonly number[]): Row {
    const ratios = ours.map((figure, index) => peer[index]! / figure);
    return { bench, ours: median(ours), peer: median(peer), ratio: median(ratios), unit };
}

/** A row of figures of which more is better, taken in turn. */
export function moreIsBetter(bench: string, unit: string, ours: readonly number[], peer: readonly number[]): Row {
    const ratios = ours.map((figure, index) => figure / peer[index]!);
    return { bench, ours: median(ours), peer: median(peer), ratio: median(ratios), unit };
}
