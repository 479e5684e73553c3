// SPDX-License-Identifier: Apache-2.0
import * as http from "node:http";
import * as https from "node:https";

export interface Answer {
    status: number;
    body: string;
}

/** One request to a part of the lab, with the lab's own authority. A refused or broken connection is status 0. */
export function ask(
    url: string,
    options: {
        method?: string;
        headers?: Record<string, string>;
        body?: unknown;
        ca?: string;
        timeoutMs?: number;
    } = {},
): Promise<Answer> {
    return new Promise((resolve) => {
        const text = options.body === undefined ? undefined : JSON.stringify(options.body);
        const client = url.startsWith("https:") ? https : http;
        const request = client.request(
            url,
            {
                method: options.method ?? "GET",
                headers: { ...(text ? { "content-type": "application/json" } : {}), ...options.headers },
                ca: options.ca,
                agent: false,
                timeout: options.timeoutMs ?? 5000,
            },
            (response) => {
                let body = "";
                response.setEncoding("utf8");
                response.on("data", (chunk: string) => (body += chunk));
                response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
                response.on("error", (error) => resolve({ status: 0, body: error.message }));
            },
        );
        request.on("timeout", () => request.destroy(new Error("no answer in time")));
        request.on("error", (error) => resolve({ status: 0, body: error.message }));
        request.end(text);
    });
}
