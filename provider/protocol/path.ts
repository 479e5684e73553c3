// SPDX-License-Identifier: Apache-2.0

const plainKey = /^[A-Za-z_$][\w$]*$/;
const step = /\.?([^.[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\[(\*)\]/gy;

/** Path of a member (`a` + `b` = `a.b`) or item (`a` + 0 = `a[0]`), in the engine's notation. */
export function childPath(parent: string, key: string | number): string {
    if (typeof key === "number") {
        return `${parent}[${key}]`;
    }
    if (!plainKey.test(key)) {
        return `${parent}["${key.replace(/["\\]/g, "\\$&")}"]`;
    }
    return parent ? `${parent}.${key}` : key;
}

/** Steps of a path: `a.b[0]["c d"]` = `["a", "b", 0, "c d"]`. A text that is no path is one step. */
export function pathSteps(path: string): (string | number)[] {
    const steps: (string | number)[] = [];
    let end = 0;
    step.lastIndex = 0;
    for (let match = step.exec(path); match; match = step.exec(path)) {
        end = step.lastIndex;
        const [, plain, index, quoted, star] = match;
        steps.push(index !== undefined ? Number(index) : (plain ?? quoted?.replace(/\\(.)/g, "$1") ?? star!));
    }
    return end === path.length ? steps : [path];
}

/** Says whether `path` is what `pattern` names or lies below it. A step `*` of the pattern stands for any one step. */
export function pathCovers(pattern: string, path: string): boolean {
    const patternSteps = pathSteps(pattern);
    const steps = pathSteps(path);
    return (
        patternSteps.length <= steps.length &&
        patternSteps.every((part, index) => part === "*" || part === steps[index])
    );
}
