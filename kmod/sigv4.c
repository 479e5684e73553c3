// SPDX-License-Identifier: GPL-2.0-only
/* AWS Signature Version 4. See sigv4.h. */
#include "sigv4_canonical.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

static const char hex_lower[] = "0123456789abcdef";

static void to_hex(const u8 *bytes, char *out)
{
	u32 i;

	for (i = 0; i < RT_DIGEST_SIZE; i++) {
		*out++ = hex_lower[bytes[i] >> 4];
		*out++ = hex_lower[bytes[i] & 15];
	}
	*out = 0;
}

void rt_sigv4_hash(const void *bytes, size_t length, char out[RT_SIGV4_HASH_SIZE])
{
	struct rt_digest digest;
	u8 sum[RT_DIGEST_SIZE];

	rt_digest_begin(&digest);
	rt_digest_add(&digest, bytes, length);
	rt_digest_end(&digest, sum);
	to_hex(sum, out);
}

/* --- Time ------------------------------------------------------------- */

static void put_decimal(char *out, u32 value, u32 digits)
{
	while (digits--) {
		out[digits] = '0' + value % 10;
		value /= 10;
	}
}

/* Days to a civil date of the Gregorian calendar; years from 1970 to 9999. */
static void format_date(u64 seconds, char out[RT_SIGV4_DATE_SIZE])
{
	static const u16 before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	u32 rest = (u32)(seconds % 86400);
	u32 day = (u32)(seconds / 86400);
	u32 year = 1970, month = 11;

	for (;; year++) {
		u32 length = 365 + (year % 4 == 0 && (year % 100 || year % 400 == 0));

		if (day < length)
			break;
		day -= length;
	}
	for (; month; month--) {
		bool leap = year % 4 == 0 && (year % 100 || year % 400 == 0);

		u32 first = before[month] + (leap && month > 1);

		if (day >= first) {
			day -= first;
			break;
		}
	}
	put_decimal(out, year, 4);
	put_decimal(out + 4, month + 1, 2);
	put_decimal(out + 6, day + 1, 2);
	out[8] = 'T';
	put_decimal(out + 9, rest / 3600, 2);
	put_decimal(out + 11, rest / 60 % 60, 2);
	put_decimal(out + 13, rest % 60, 2);
	out[15] = 'Z';
	out[16] = 0;
}

/* --- Signature ------------------------------------------------------------ */

/* Text that remembers that it has overflowed. */
struct text {
	char *out;
	u32 at;
	u32 size;
	bool full;
};

static void append(struct text *text, const char *bytes, size_t length)
{
	if (text->full || length >= text->size - text->at) {
		text->full = true;
		return;
	}
	memcpy(text->out + text->at, bytes, length);
	text->at += (u32)length;
	text->out[text->at] = 0;
}

static void append_text(struct text *text, const char *bytes)
{
	append(text, bytes, strlen(bytes));
}

static void append_scope(struct text *text, const char *date, const struct rt_sigv4_scope *scope)
{
	append(text, date, 8);
	append_text(text, "/");
	append_text(text, scope->region);
	append_text(text, "/");
	append_text(text, scope->service);
	append_text(text, "/aws4_request");
}

static void append_names(struct text *text, const struct rt_sigv4_scratch *scratch)
{
	u32 i, j;

	for (i = 0; i < scratch->signed_count; i++) {
		if (i && rt_sigv4_same_name(scratch, i - 1, i))
			continue;
		if (i)
			append_text(text, ";");
		for (j = 0; j < scratch->signed_fields[i].name_length; j++) {
			char c = rt_sigv4_lower(scratch->signed_fields[i].name[j]);

			append(text, &c, 1);
		}
	}
}

static void derive_step(const u8 *key, size_t length, const char *data, size_t size,
			u8 out[RT_DIGEST_SIZE])
{
	struct rt_hmac hmac;

	rt_hmac_begin(&hmac, key, length);
	rt_hmac_add(&hmac, data, size);
	rt_hmac_end(&hmac, out);
}

static int derive_key(const char *secret, const char *date, const struct rt_sigv4_scope *scope,
		      u8 key[RT_DIGEST_SIZE])
{
	u8 first[4 + 128];
	size_t length = strlen(secret);

	if (length > sizeof(first) - 4)
		return -EMSGSIZE;
	memcpy(first, "AWS4", 4);
	memcpy(first + 4, secret, length);
	derive_step(first, length + 4, date, 8, key);
	memzero_explicit(first, sizeof(first));
	derive_step(key, RT_DIGEST_SIZE, scope->region, strlen(scope->region), key);
	derive_step(key, RT_DIGEST_SIZE, scope->service, strlen(scope->service), key);
	derive_step(key, RT_DIGEST_SIZE, "aws4_request", 12, key);
	return 0;
}

static int hash_request(const char *head, const struct rt_http_request *request,
			const struct rt_sigv4_scratch *scratch, const char *names,
			const char *payload, bool s3, char out[RT_SIGV4_HASH_SIZE])
{
	const char *path = head + request->path.at;
	const char *query = memchr(path, '?', request->path.length);
	struct rt_digest digest;
	u8 sum[RT_DIGEST_SIZE];
	int err;

	rt_digest_begin(&digest);
	rt_digest_add(&digest, head + request->method.at, request->method.length);
	rt_digest_add(&digest, "\n", 1);
	err = rt_sigv4_add_path(&digest, path, query ? (u32)(query - path) : request->path.length, s3);
	if (err)
		return err;
	rt_digest_add(&digest, "\n", 1);
	rt_sigv4_add_query(&digest, head, scratch);
	rt_digest_add(&digest, "\n", 1);
	rt_sigv4_add_fields(&digest, scratch);
	rt_digest_add(&digest, "\n", 1);
	rt_digest_add(&digest, names, strlen(names));
	rt_digest_add(&digest, "\n", 1);
	rt_digest_add(&digest, payload, strlen(payload));
	rt_digest_end(&digest, sum);
	to_hex(sum, out);
	return 0;
}

/* A header line that is part of the signature and is sent with it. */
static int add_header(struct rt_sigv4_signature *signature, struct rt_sigv4_scratch *scratch,
		      const char *name, const char *value)
{
	struct rt_http_header *header = &signature->headers[signature->count++];

	header->name = name;
	header->prefix = "";
	header->value = value;
	header->value_length = (u32)strlen(value);
	return rt_sigv4_sign_field(scratch, name, (u32)strlen(name), value, header->value_length);
}

static int finish(const char *head, const struct rt_http_request *request,
		  const struct rt_sigv4_credential *credential,
		  const struct rt_sigv4_scope *scope, bool s3,
		  const struct rt_sigv4_scratch *scratch, struct rt_sigv4_signature *signature)
{
	struct text value = { .out = signature->authorization, .size = RT_SIGV4_VALUE_MAX };
	struct rt_http_header *header;
	char hash[RT_SIGV4_HASH_SIZE];
	u8 key[RT_DIGEST_SIZE];
	struct rt_hmac hmac;
	u32 scope_at, scope_length, names_at;
	int err;

	append_text(&value, ALGORITHM " Credential=");
	append_text(&value, credential->access_key);
	append_text(&value, "/");
	scope_at = value.at;
	append_scope(&value, signature->date, scope);
	scope_length = value.at - scope_at;
	append_text(&value, ", SignedHeaders=");
	names_at = value.at;
	append_names(&value, scratch);
	if (value.full)
		return -EMSGSIZE;
	err = hash_request(head, request, scratch, value.out + names_at, signature->payload, s3, hash);
	if (!err)
		err = derive_key(credential->secret_key, signature->date, scope, key);
	if (err)
		return err;
	rt_hmac_begin(&hmac, key, sizeof(key));
	memzero_explicit(key, sizeof(key));
	rt_hmac_add(&hmac, ALGORITHM "\n", sizeof(ALGORITHM));
	rt_hmac_add(&hmac, signature->date, RT_SIGV4_DATE_SIZE - 1);
	rt_hmac_add(&hmac, "\n", 1);
	rt_hmac_add(&hmac, value.out + scope_at, scope_length);
	rt_hmac_add(&hmac, "\n", 1);
	rt_hmac_add(&hmac, hash, sizeof(hash) - 1);
	rt_hmac_end(&hmac, key);
	to_hex(key, hash);
	append_text(&value, ", Signature=");
	append_text(&value, hash);
	if (value.full)
		return -EMSGSIZE;
	header = &signature->headers[signature->count++];
	header->name = "Authorization";
	header->prefix = "";
	header->value = signature->authorization;
	header->value_length = value.at;
	return 0;
}

int rt_sigv4_sign(const char *head, const struct rt_http_request *request,
		  const struct rt_sigv4_credential *credential,
		  const struct rt_sigv4_scope *scope, const char *payload,
		  u64 seconds, struct rt_sigv4_scratch *scratch,
		  struct rt_sigv4_signature *signature)
{
	const char *path = head + request->path.at;
	const char *query = memchr(path, '?', request->path.length);
	u32 end = request->path.at + request->path.length;
	bool s3 = !strcmp(scope->service, "s3");
	int err;

	memset(signature, 0, sizeof(*signature));
	scratch->signed_count = 0;
	if (!payload && !s3)
		return -EINVAL;
	if (!payload)
		payload = "UNSIGNED-PAYLOAD";
	if (strlen(payload) >= sizeof(signature->payload) || seconds >= 253402300800ULL)
		return -EINVAL;
	memcpy(signature->payload, payload, strlen(payload) + 1);
	format_date(seconds, signature->date);

	err = rt_sigv4_read_query(head, query ? (u32)(query - head) + 1 : end, end, scratch);
	if (!err)
		err = rt_sigv4_sign_application_fields(head, request, scratch);
	if (!err)
		err = add_header(signature, scratch, "X-Amz-Date", signature->date);
	if (!err && credential->session_token)
		err = add_header(signature, scratch, "X-Amz-Security-Token",
				 credential->session_token);
	if (!err && s3)
		err = add_header(signature, scratch, "X-Amz-Content-Sha256", signature->payload);
	return err ? err : finish(head, request, credential, scope, s3, scratch, signature);
}
