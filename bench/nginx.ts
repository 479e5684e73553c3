// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { artifact } from "../lab/cache";
import { bootstrap } from "../lab/debian";
import { keyOf } from "../lab/digest";
import { step } from "../lab/progress";

const suite = "trixie";

/** Debian's nginx for the node, which has the libraries it wants; taken out of a Debian made for that, once. */
export async function nginxProgram(): Promise<string> {
    const directory = await artifact("bench", "nginx", keyOf(suite), (place) =>
        step(`fetching nginx (mmdebstrap ${suite})`, async (note) => {
            const root = join(place, "root");
            await bootstrap({ suite, packages: ["nginx"] }, root, join(place, "build.log"), note);
            copyFileSync(join(root, "usr", "sbin", "nginx"), join(place, "nginx"));
            rmSync(root, { recursive: true });
        }),
    );
    return join(directory, "nginx");
}

const common = (name: string) => `daemon on; pid /run/bench/${name}.pid; worker_processes 1; user nobody nogroup;
error_log /run/bench/${name}.log;
events { worker_connections 256; }
http {
    access_log off; keepalive_requests 1000000; keepalive_timeout 600s;
    ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path /run/bench/${kind}-${name};`).join(" ")}
`;

const models = JSON.stringify({
    object: "list",
    data: ["gpt-4o-mini", "gpt-4.1", "gpt-5"].map((id) => ({
        id,
        object: "model",
        created: 1715367049,
        owned_by: "system",
    })),
});

/** The API on the node's own 127.0.0.1:443: it wants a key of the right form and answers at once. */
export const serverConfiguration = `${common("server")}
    server {
        listen 127.0.0.1:443 ssl;
        ssl_certificate /run/bench/server.crt; ssl_certificate_key /run/bench/server.key; ssl_protocols TLSv1.3;
        location / {
            if ($http_authorization !~ "^Bearer sk-") { return 401; }
            default_type application/json;
            return 200 '${models}';
        }
    }
}
`;

/** What people use today to keep a key out of a process: a proxy on loopback that adds it, with its connections kept open. */
export const proxyConfiguration = `${common("proxy")}
    upstream api { server 127.0.0.1:443; keepalive 8; keepalive_requests 1000000; }
    server {
        listen 127.0.0.1:8080;
        location / {
            proxy_pass https://api; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header Host api.openai.com; proxy_set_header Authorization "Bearer sk-bench";
            proxy_ssl_server_name on; proxy_ssl_name api.openai.com; proxy_ssl_protocols TLSv1.3;
            proxy_ssl_verify on; proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
        }
    }
}
`;
