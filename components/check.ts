// SPDX-License-Identifier: Apache-2.0
import * as pulumi from "@pulumi/pulumi";
import { RiptidesError, type FailureCode } from "../api";

/** A value in which any part, at any depth, may be an output of another resource. */
export type DeepInput<T> = pulumi.Input<
    T extends (infer E)[] ? DeepInput<E>[] : T extends object ? { [K in keyof T]: DeepInput<T[K]> } : T
>;

/**
 * Checks an input: at once when the program knows all of it, so that a mistake ends the constructor, else as soon as it
 * is known.
 * @param check gives the value to go on with, or throws a RiptidesError that names the property.
 */
export function checked<T, U>(input: DeepInput<T>, check: (value: T) => U): pulumi.Output<U> {
    if (isLater(input)) {
        return pulumi.output(input).apply((value) => check(value as T)) as pulumi.Output<U>;
    }
    return pulumi.output(check(input as T)) as pulumi.Output<U>;
}

/** One field of an input, without waiting for the other fields. */
export function field<T extends object, K extends keyof T>(input: DeepInput<T>, key: K): DeepInput<T[K]> {
    if (pulumi.Output.isInstance(input) || input instanceof Promise) {
        return pulumi.output(input).apply((value) => (value as T)[key]) as DeepInput<T[K]>;
    }
    return (input as { [P in K]: DeepInput<T[P]> })[key];
}

function isLater(value: unknown): boolean {
    if (pulumi.Output.isInstance(value) || value instanceof Promise) {
        return true;
    }
    return typeof value === "object" && value !== null && Object.values(value).some(isLater);
}

/** Refuses missing arguments, which the compiler cannot do for JavaScript programs. */
export function requireArguments<T extends object>(owner: string, args: T | undefined, names: (keyof T & string)[]): T {
    const given = args ?? ({} as T);
    for (const name of names) {
        if (given[name] === undefined || given[name] === null) {
            throw missing(name, `${owner} needs it`);
        }
    }
    return given;
}

export function missing(property: string, reason: string, fix?: string): RiptidesError {
    return refusal("MissingProperty", property, reason, fix);
}

export function invalid(property: string, reason: string, fix?: string): RiptidesError {
    return refusal("InvalidProperty", property, reason, fix);
}

function refusal(code: FailureCode, property: string, reason: string, fix?: string): RiptidesError {
    return new RiptidesError(code, { property, reason, ...(fix === undefined ? {} : { fix }) });
}

/** Says whether a host name of a URL means the machine that uses it. */
export function isLoopback(host: string): boolean {
    return /^(localhost|127\.[\d.]+|\[::1\])$/.test(host);
}
