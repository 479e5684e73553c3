// SPDX-License-Identifier: GPL-2.0-only
/* The canonical request of AWS Signature Version 4, fed piece by piece into a digest. */
#include "sigv4_canonical.h"

static const char hex_upper[] = "0123456789ABCDEF";

/* --- URI encoding ------------------------------------------------------- */

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

/* Encodes one byte; returns its length, 1 or 3. */
static u32 encode(unsigned char c, bool keep_slash, char out[3])
{
	if (is_unreserved(c) || (keep_slash && c == '/')) {
		out[0] = c;
		return 1;
	}
	out[0] = '%';
	out[1] = hex_upper[c >> 4];
	out[2] = hex_upper[c & 15];
	return 3;
}

/* The decoded byte at `*at`, which moves on; the text has been checked. */
static unsigned char decode(const char *text, u32 *at)
{
	unsigned char c = text[(*at)++];

	if (c != '%')
		return c;
	c = hex_value(text[*at]) << 4 | hex_value(text[*at + 1]);
	*at += 2;
	return c;
}

static bool is_well_escaped(const char *text, u32 length)
{
	u32 i;

	for (i = 0; i < length; i++) {
		if (text[i] != '%')
			continue;
		if (length - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
			return false;
		i += 2;
	}
	return true;
}

/* Decodes and encodes again: one canonical form for all spellings. */
static void add_canonical(struct rt_digest *digest, const char *text, u32 length, bool keep_slash)
{
	char out[3];
	u32 at = 0;

	while (at < length) {
		u32 size = encode(decode(text, &at), keep_slash, out);

		rt_digest_add(digest, out, size);
	}
}

/* --- Path --------------------------------------------------------------- */

static bool is_dots(const char *segment, u32 length)
{
	return (length == 1 && segment[0] == '.') ||
	       (length == 2 && segment[0] == '.' && segment[1] == '.');
}

/*
 * S3 takes paths as they are. For all others AWS normalises: a path that
 * normalising would change is refused, as the server would resolve another
 * one than it was sent; what is left is encoded a second time.
 */
int rt_sigv4_add_path(struct rt_digest *digest, const char *path, u32 length, bool s3)
{
	char out[3];
	u32 i, start = 1;

	if (!is_well_escaped(path, length))
		return -EINVAL;
	if (s3) {
		add_canonical(digest, path, length, true);
		return 0;
	}
	for (i = 1; i <= length; i++) {
		if (i < length && path[i] != '/')
			continue;
		if ((i == start && i < length) || is_dots(path + start, i - start))
			return -EINVAL;
		start = i + 1;
	}
	for (i = 0; i < length; i++) {
		u32 size = encode(path[i], true, out);

		rt_digest_add(digest, out, size);
	}
	return 0;
}

/* --- Query -------------------------------------------------------------- */

/* Compares in canonical form, as the byte order of the signed text demands. */
static int compare_encoded(const char *head, struct rt_http_span a, struct rt_http_span b)
{
	u32 i = a.at, j = b.at;

	while (i < a.at + a.length && j < b.at + b.length) {
		char left[3] = { 0 }, right[3] = { 0 };
		int order;

		encode(decode(head, &i), false, left);
		encode(decode(head, &j), false, right);
		order = memcmp(left, right, sizeof(left));
		if (order)
			return order;
	}
	return (i < a.at + a.length) - (j < b.at + b.length);
}

int rt_sigv4_read_query(const char *head, u32 at, u32 end, struct rt_sigv4_scratch *scratch)
{
	u32 count = 0, i;

	while (at < end) {
		const char *stop = memchr(head + at, '&', end - at);
		u32 next = stop ? (u32)(stop - head) : end;
		const char *equals = memchr(head + at, '=', next - at);
		struct rt_http_span name = { .at = at, .length = next - at };
		struct rt_http_span value = { .at = next };

		if (equals) {
			name.length = (u32)(equals - head) - at;
			value.at = at + name.length + 1;
			value.length = next - value.at;
		}
		/* '+' is a space for some readers and itself for others. */
		if (memchr(head + at, '+', next - at) || !is_well_escaped(head + at, next - at))
			return -EINVAL;
		if (next > at) {
			if (count == RT_SIGV4_PARAMETERS_MAX)
				return -EMSGSIZE;
			for (i = count; i; i--) {
				int order = compare_encoded(head, scratch->parameters[i - 1].name, name);

				if (!order)
					order = compare_encoded(head, scratch->parameters[i - 1].value,
								value);
				if (order <= 0)
					break;
				scratch->parameters[i] = scratch->parameters[i - 1];
			}
			scratch->parameters[i].name = name;
			scratch->parameters[i].value = value;
			count++;
		}
		at = next + 1;
	}
	scratch->parameter_count = count;
	return 0;
}

void rt_sigv4_add_query(struct rt_digest *digest, const char *head,
		      const struct rt_sigv4_scratch *scratch)
{
	u32 i;

	for (i = 0; i < scratch->parameter_count; i++) {
		struct rt_http_span name = scratch->parameters[i].name;
		struct rt_http_span value = scratch->parameters[i].value;

		if (i)
			rt_digest_add(digest, "&", 1);
		add_canonical(digest, head + name.at, name.length, false);
		rt_digest_add(digest, "=", 1);
		add_canonical(digest, head + value.at, value.length, false);
	}
}

/* --- Header fields ------------------------------------------------------- */

static int compare_names(const char *a, u32 a_length, const char *b, u32 b_length)
{
	u32 i;

	for (i = 0; i < a_length && i < b_length; i++)
		if (rt_sigv4_lower(a[i]) != rt_sigv4_lower(b[i]))
			return rt_sigv4_lower(a[i]) < rt_sigv4_lower(b[i]) ? -1 : 1;
	return (a_length > b_length) - (a_length < b_length);
}

/* Keeps the list sorted by name; fields of one name keep their order. */
int rt_sigv4_sign_field(struct rt_sigv4_scratch *scratch, const char *name, u32 name_length,
		      const char *value, u32 value_length)
{
	u32 i;

	if (scratch->signed_count == RT_SIGV4_SIGNED_MAX)
		return -EMSGSIZE;
	for (i = scratch->signed_count; i; i--) {
		if (compare_names(scratch->signed_fields[i - 1].name,
				  scratch->signed_fields[i - 1].name_length, name, name_length) <= 0)
			break;
		scratch->signed_fields[i] = scratch->signed_fields[i - 1];
	}
	scratch->signed_fields[i].name = name;
	scratch->signed_fields[i].name_length = name_length;
	scratch->signed_fields[i].value = value;
	scratch->signed_fields[i].value_length = value_length;
	scratch->signed_count++;
	return 0;
}

static bool is_signature_field(const char *head, struct rt_http_span name)
{
	static const char * const replaced[] = { "authorization", "x-amz-date", "x-amz-security-token",
						 "x-amz-content-sha256" };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(replaced); i++)
		if (rt_http_span_is(head, name, replaced[i]))
			return true;
	return false;
}

/* Signed: Host, Content-Type, and every X-Amz- field of the application. */
int rt_sigv4_sign_application_fields(const char *head, const struct rt_http_request *request,
				   struct rt_sigv4_scratch *scratch)
{
	u32 i;

	for (i = 0; i < request->count; i++) {
		const struct rt_http_field *field = &request->fields[i];
		bool amz = field->name.length > 6 &&
			   !compare_names(head + field->name.at, 6, "x-amz-", 6);
		int err;

		if (is_signature_field(head, field->name))
			continue;
		if (!amz && !rt_http_span_is(head, field->name, "host") &&
		    !rt_http_span_is(head, field->name, "content-type"))
			continue;
		err = rt_sigv4_sign_field(scratch, head + field->name.at, field->name.length,
				 head + field->value.at, field->value.length);
		if (err)
			return err;
	}
	return 0;
}

static void add_lower(struct rt_digest *digest, const char *text, u32 length)
{
	u32 i;

	for (i = 0; i < length; i++) {
		char c = rt_sigv4_lower(text[i]);

		rt_digest_add(digest, &c, 1);
	}
}

/* A run of spaces counts as one. */
static void add_folded(struct rt_digest *digest, const char *text, u32 length)
{
	u32 i;

	for (i = 0; i < length; i++)
		if (text[i] != ' ' || !i || text[i - 1] != ' ')
			rt_digest_add(digest, text + i, 1);
}

bool rt_sigv4_same_name(const struct rt_sigv4_scratch *scratch, u32 a, u32 b)
{
	return !compare_names(scratch->signed_fields[a].name, scratch->signed_fields[a].name_length,
			      scratch->signed_fields[b].name, scratch->signed_fields[b].name_length);
}

void rt_sigv4_add_fields(struct rt_digest *digest, const struct rt_sigv4_scratch *scratch)
{
	u32 i;

	for (i = 0; i < scratch->signed_count; i++) {
		if (i && rt_sigv4_same_name(scratch, i - 1, i)) {
			rt_digest_add(digest, ",", 1);
		} else {
			if (i)
				rt_digest_add(digest, "\n", 1);
			add_lower(digest, scratch->signed_fields[i].name,
				  scratch->signed_fields[i].name_length);
			rt_digest_add(digest, ":", 1);
		}
		add_folded(digest, scratch->signed_fields[i].value,
			   scratch->signed_fields[i].value_length);
	}
	rt_digest_add(digest, "\n", 1);
}
