/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AWS Signature Version 4 of a request that kmod/http.c has read
 * (docs.aws.amazon.com, "Create a signed AWS API request").
 *
 * Pure functions over memory of the caller; nothing sleeps or allocates.
 */
#ifndef RIPTIDES_SIGV4_H
#define RIPTIDES_SIGV4_H

#include "digest.h"
#include "http.h"

#define RT_SIGV4_PARAMETERS_MAX	64	/* of a query */
#define RT_SIGV4_SIGNED_MAX	48	/* header fields in the signature */
#define RT_SIGV4_DATE_SIZE	17	/* "20261123T180000Z" with its NUL */
#define RT_SIGV4_HASH_SIZE	65	/* hexadecimal SHA-256 with its NUL */
#define RT_SIGV4_HEADERS	4	/* lines that signing adds at the most */
#define RT_SIGV4_VALUE_MAX	2048	/* bytes of the Authorization value */

/* Who signs. Texts are the caller's and hold no control characters. */
struct rt_sigv4_credential {
	const char *access_key;
	const char *secret_key;
	const char *session_token;	/* or NULL */
};

/* What is signed for: "us-east-1" and "s3". */
struct rt_sigv4_scope {
	const char *region;
	const char *service;
};

/* The signature as header lines. Holds no pointer to the secret key. */
struct rt_sigv4_signature {
	char date[RT_SIGV4_DATE_SIZE];
	char payload[RT_SIGV4_HASH_SIZE];
	char authorization[RT_SIGV4_VALUE_MAX];
	struct rt_http_header headers[RT_SIGV4_HEADERS];
	u32 count;
};

/* Memory that signing works in: too large for a kernel stack. */
struct rt_sigv4_scratch {
	struct {
		struct rt_http_span name;
		struct rt_http_span value;
	} parameters[RT_SIGV4_PARAMETERS_MAX];
	u32 parameter_count;
	struct {
		const char *name;	/* in the head, or a literal */
		u32 name_length;
		const char *value;
		u32 value_length;
	} signed_fields[RT_SIGV4_SIGNED_MAX];
	u32 signed_count;
};

/* Hexadecimal SHA-256 of a body. */
void rt_sigv4_hash(const void *bytes, size_t length, char out[RT_SIGV4_HASH_SIZE]);

/*
 * Signs a request. `payload` is the body's rt_sigv4_hash, or NULL for a
 * streamed body, which only S3 takes (UNSIGNED-PAYLOAD; -EINVAL for others).
 * `seconds` is the time since 1970. The application's own signature headers
 * are left out of the signature; rt_http_rewrite() with `headers` drops them.
 *
 * -EINVAL for a target that signers understand differently (a bad escape, or
 * '+' in the query), -EMSGSIZE for too many parameters or fields.
 */
int rt_sigv4_sign(const char *head, const struct rt_http_request *request,
		  const struct rt_sigv4_credential *credential,
		  const struct rt_sigv4_scope *scope, const char *payload,
		  u64 seconds, struct rt_sigv4_scratch *scratch,
		  struct rt_sigv4_signature *signature);

#endif
