/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 and HMAC-SHA-256 (RFC 2104) on the kernel's library, or OpenSSL's in user space. */
#ifndef RIPTIDES_DIGEST_H
#define RIPTIDES_DIGEST_H

#include "portable.h"

#define RT_DIGEST_SIZE 32
#define RT_DIGEST_BLOCK 64

#ifdef __KERNEL__
#include <crypto/sha2.h>

struct rt_digest {
	struct sha256_state state;
};

static inline void rt_digest_begin(struct rt_digest *digest)
{
	sha256_init(&digest->state);
}

static inline void rt_digest_add(struct rt_digest *digest, const void *bytes, size_t length)
{
	sha256_update(&digest->state, bytes, length);
}

static inline void rt_digest_end(struct rt_digest *digest, u8 out[RT_DIGEST_SIZE])
{
	sha256_final(&digest->state, out);
}
#else
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#define memzero_explicit(bytes, length) OPENSSL_cleanse(bytes, length)

struct rt_digest {
	SHA256_CTX state;
};

static inline void rt_digest_begin(struct rt_digest *digest)
{
	SHA256_Init(&digest->state);
}

static inline void rt_digest_add(struct rt_digest *digest, const void *bytes, size_t length)
{
	SHA256_Update(&digest->state, bytes, length);
}

static inline void rt_digest_end(struct rt_digest *digest, u8 out[RT_DIGEST_SIZE])
{
	SHA256_Final(out, &digest->state);
}
#endif

/* An HMAC in progress. Holds a key: end it, or wipe it. */
struct rt_hmac {
	struct rt_digest inner;
	u8 outer_key[RT_DIGEST_BLOCK];
};

static inline void rt_hmac_begin(struct rt_hmac *hmac, const u8 *key, size_t length)
{
	u8 block[RT_DIGEST_BLOCK] = { 0 };
	size_t i;

	if (length > RT_DIGEST_BLOCK) {
		rt_digest_begin(&hmac->inner);
		rt_digest_add(&hmac->inner, key, length);
		rt_digest_end(&hmac->inner, block);
	} else {
		memcpy(block, key, length);
	}
	for (i = 0; i < RT_DIGEST_BLOCK; i++) {
		hmac->outer_key[i] = block[i] ^ 0x5c;
		block[i] ^= 0x36;
	}
	rt_digest_begin(&hmac->inner);
	rt_digest_add(&hmac->inner, block, RT_DIGEST_BLOCK);
	memzero_explicit(block, sizeof(block));
}

static inline void rt_hmac_add(struct rt_hmac *hmac, const void *bytes, size_t length)
{
	rt_digest_add(&hmac->inner, bytes, length);
}

static inline void rt_hmac_end(struct rt_hmac *hmac, u8 out[RT_DIGEST_SIZE])
{
	u8 inner[RT_DIGEST_SIZE];

	rt_digest_end(&hmac->inner, inner);
	rt_digest_begin(&hmac->inner);
	rt_digest_add(&hmac->inner, hmac->outer_key, RT_DIGEST_BLOCK);
	rt_digest_add(&hmac->inner, inner, sizeof(inner));
	rt_digest_end(&hmac->inner, out);
	memzero_explicit(inner, sizeof(inner));
	memzero_explicit(hmac, sizeof(*hmac));
}

#endif
