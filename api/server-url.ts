// SPDX-License-Identifier: Apache-2.0
import { RiptidesError, type FailureCode } from "./failure";

/**
 * Reads the http or https URL of a server, without credentials, query and fragment.
 * @param wanted what it should have been, for the message: `the URL of a server`
 * @throws RiptidesError; the text is shown only when it can hold no password
 */
export function serverUrl(
    text: string,
    { code, property, wanted, fix }: { code: FailureCode; property: string; wanted: string; fix: string },
): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
        const shown = /[@?#]/.test(text) ? "a URL with credentials, a query or a fragment" : JSON.stringify(text);
        throw new RiptidesError(code, { property, reason: `${shown} is not ${wanted}`, fix });
    }
    return url;
}
