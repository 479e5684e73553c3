// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, generateKeyPairSync, KeyObject, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, SignJWT } from "jose";
import { jwtIssuer, messageOf, RiptidesError, Secret } from "../api";

/** What a JWT of a workload says. */
export interface WorkloadClaims {
    /** The workload's SPIFFE ID. */
    subject: string;
    audience: string[];
    /** Life of the JWT in seconds. */
    lifetimeSeconds: number;
    /** Unix milliseconds. */
    nowMs: number;
}

/** The agent's ES256 key: made on the node and never leaving it. OpenBao trusts its public half. */
export class SigningKey {
    private constructor(
        private readonly key: KeyObject,
        private readonly keyId: string,
        /** SPKI PEM without trailing line end, as `jwt_validation_pubkeys` takes it. */
        readonly publicKey: string,
    ) {}

    /** A new key as PKCS#8 PEM. */
    static generate(): Secret {
        const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        return new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    }

    /** @throws RiptidesError `InvalidConfiguration` when the text is not a P-256 key in PKCS#8 PEM. */
    static async from(pem: Secret): Promise<SigningKey> {
        let key: KeyObject;
        try {
            key = createPrivateKey(pem.reveal());
        } catch (error) {
            throw unusable(messageOf(error));
        }
        if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
            throw unusable("it is not a P-256 key");
        }
        const publicKey = createPublicKey(key);
        const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
        return new SigningKey(
            key,
            await calculateJwkThumbprint({ kty, crv, x, y }),
            publicKey.export({ type: "spki", format: "pem" }).toString().trim(),
        );
    }

    /** A signed JWT for a workload of this agent. */
    async sign(trustDomain: string, agentId: string, claims: WorkloadClaims): Promise<Secret> {
        const issuedAt = Math.floor(claims.nowMs / 1_000);
        const jwt = await new SignJWT({ "riptides:agent": agentId })
            .setProtectedHeader({ alg: "ES256", typ: "JWT", kid: this.keyId })
            .setIssuer(jwtIssuer(trustDomain))
            .setSubject(claims.subject)
            .setAudience(claims.audience)
            .setIssuedAt(issuedAt)
            .setExpirationTime(issuedAt + claims.lifetimeSeconds)
            .setJti(randomUUID())
            .sign(this.key);
        return new Secret(jwt);
    }
}

function unusable(reason: string): RiptidesError {
    return new RiptidesError("InvalidConfiguration", {
        property: "identity",
        reason: `the node's signing key cannot be used: ${reason}`,
        fix: "Remove /var/lib/riptides/identity.cred and install the agent again; OpenBao must then trust its new key.",
    });
}
