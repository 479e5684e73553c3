// SPDX-License-Identifier: Apache-2.0

const [quote, backslash, comma, colon] = [...'"\\,:'].map((character) => character.charCodeAt(0));
const [openBrace, closeBrace, openBracket, closeBracket] = [..."{}[]"].map((character) => character.charCodeAt(0));

/** Place of a value in a JSON text: first octet, and the one after the last. */
export interface JsonSpan {
    start: number;
    end: number;
}

/**
 * Reads JSON as octets. A secret that has once been a string of the language cannot be overwritten; this gives its place,
 * and its octets, without making one. Only the names of members become strings.
 */
export class JsonBytes {
    constructor(private readonly text: Buffer) {}

    /** The whole value. @throws SyntaxError */
    get root(): JsonSpan {
        const start = this.blank(0);
        const end = this.skip(start);
        if (this.blank(end) !== this.text.length) {
            throw this.broken(end);
        }
        return { start, end };
    }

    /** Members of an object, the last of equal names; `undefined` when the value is no object. @throws SyntaxError */
    members({ start }: JsonSpan): Map<string, JsonSpan> | undefined {
        if (this.text[start] !== openBrace) {
            return undefined;
        }
        const members = new Map<string, JsonSpan>();
        this.object(start, (name, value) => members.set(name, value));
        return members;
    }

    /** Octets of a string in a buffer of its own, UTF-8; `undefined` when the value is no string. Overwrite it when done. */
    string({ start, end }: JsonSpan): Buffer | undefined {
        if (this.text[start] !== quote) {
            return undefined;
        }
        const octets = Buffer.alloc(end - start);
        let length = 0;
        for (let at = start + 1; at < end - 1; at++) {
            if (this.text[at] !== backslash) {
                octets[length++] = this.text[at]!;
                continue;
            }
            at++;
            const escaped = simpleEscapes.get(this.text[at]!);
            if (escaped !== undefined) {
                octets[length++] = escaped;
                continue;
            }
            const [point, after] = this.codePoint(at + 1);
            length += octets.write(String.fromCodePoint(point), length, "utf8");
            at = after - 1;
        }
        // A view: what is beyond it was never written.
        return octets.subarray(0, length);
    }

    /** A value without blanks between its parts, in a buffer of its own. Overwrite it when done. */
    compact({ start, end }: JsonSpan): Buffer {
        const octets = Buffer.alloc(end - start);
        let length = 0;
        for (let at = start; at < end;) {
            const after = this.text[at] === quote ? this.stringEnd(at) : at + 1;
            if (!blanks.has(this.text[at]!)) {
                length += this.text.copy(octets, length, at, after);
            }
            at = after;
        }
        return octets.subarray(0, length);
    }

    /** A number; 0 for any other value. */
    number({ start, end }: JsonSpan): number {
        const value = /^[-0-9]/.test(this.text.toString("latin1", start, start + 1))
            ? Number(this.text.toString("latin1", start, end))
            : 0;
        return Number.isFinite(value) ? value : 0;
    }

    private skip(start: number): number {
        switch (this.text[start]) {
            case quote:
                return this.stringEnd(start);
            case openBrace:
                return this.object(start, () => undefined);
            case openBracket:
                return this.list(start, closeBracket!, (at) => this.skip(at));
            default: {
                let end = start;
                while (end < this.text.length && scalar.has(this.text[end]!)) {
                    end++;
                }
                if (end === start) {
                    throw this.broken(start);
                }
                return end;
            }
        }
    }

    private object(start: number, take: (name: string, value: JsonSpan) => void): number {
        return this.list(start, closeBrace!, (at) => {
            const nameEnd = this.text[at] === quote ? this.stringEnd(at) : at;
            const valueStart = this.blank(this.blank(nameEnd) + 1);
            if (this.text[this.blank(nameEnd)] !== colon) {
                throw this.broken(nameEnd);
            }
            const end = this.skip(valueStart);
            take(this.string({ start: at, end: nameEnd })!.toString("utf8"), { start: valueStart, end });
            return end;
        });
    }

    private list(start: number, close: number, item: (at: number) => number): number {
        let at = this.blank(start + 1);
        if (this.text[at] === close) {
            return at + 1;
        }
        for (;;) {
            at = this.blank(item(at));
            if (this.text[at] === close) {
                return at + 1;
            }
            if (this.text[at] !== comma) {
                throw this.broken(at);
            }
            at = this.blank(at + 1);
        }
    }

    private stringEnd(start: number): number {
        for (let at = start + 1; at < this.text.length; at++) {
            if (this.text[at] === quote) {
                return at + 1;
            }
            at += this.text[at] === backslash ? 1 : 0;
        }
        throw this.broken(start);
    }

    private codePoint(at: number): [point: number, after: number] {
        const high = this.unit(at);
        const paired = (high & 0xfc00) === 0xd800 && this.text.toString("latin1", at + 4, at + 6) === "\\u";
        const low = paired ? this.unit(at + 6) : 0;
        return (low & 0xfc00) === 0xdc00
            ? [0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff), at + 10]
            : [high, at + 4];
    }

    private unit(at: number): number {
        const digits = this.text.toString("latin1", at, at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
            throw this.broken(at);
        }
        return parseInt(digits, 16);
    }

    private blank(at: number): number {
        while (at < this.text.length && blanks.has(this.text[at]!)) {
            at++;
        }
        return at;
    }

    private broken(at: number): SyntaxError {
        return new SyntaxError(`not JSON at octet ${at}`);
    }
}

const octetsOf = (characters: string) => new Set(Buffer.from(characters, "latin1"));
const blanks = octetsOf(" \t\r\n");
const scalar = octetsOf("abcdefghijklmnopqrstuvwxyzE0123456789+-.");
const simpleEscapes = new Map(
    Object.entries({ '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }).map(
        ([letter, meant]) => [letter.charCodeAt(0), meant.charCodeAt(0)],
    ),
);
