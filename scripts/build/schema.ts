// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { credentials } from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { GetSchemaRequest } from "@pulumi/pulumi/proto/provider_pb";

/** The package schema, asked of a built plugin as the engine would. @param main its main file */
export async function schemaOf(main: string): Promise<string> {
    const child = spawn(process.execPath, [main], { stdio: ["ignore", "pipe", "inherit"] });
    try {
        const port = await new Promise<string>((resolve, reject) => {
            child.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
            child.once("exit", (code) => reject(new Error(`the plugin ended with code ${code} at its start`)));
        });
        const client = new ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure());
        const text = await new Promise<string>((resolve, reject) => {
            client.getSchema(new GetSchemaRequest(), (error, response) =>
                error ? reject(error) : resolve(response.getSchema()),
            );
        });
        client.close();
        return `${JSON.stringify(JSON.parse(text), undefined, 4)}\n`;
    } finally {
        child.kill();
    }
}
