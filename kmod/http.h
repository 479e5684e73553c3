/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP/1.1 requests as they leave a bound process: read, judged, rewritten.
 *
 * Pure functions over memory the caller owns; nothing here sleeps, allocates
 * or keeps a pointer beyond its call. Builds in the kernel and in user space
 * (tests/kernel/parsers), where it is fuzzed.
 *
 * The rule is RFC 9112 at its strictest: whatever two readers could
 * understand differently is refused, and not one byte beyond the framing
 * that was understood is passed on.
 */
#ifndef RIPTIDES_HTTP_H
#define RIPTIDES_HTTP_H

#include "portable.h"

#define RT_HTTP_HEAD_MAX	65536	/* bytes of a head with its empty line */
#define RT_HTTP_FIELDS_MAX	128
#define RT_HTTP_TRAILER_MAX	8192	/* bytes of all trailer lines */

/* A piece of the head: an offset and a length, in bytes. */
struct rt_http_span {
	u32 at;
	u32 length;
};

struct rt_http_field {
	struct rt_http_span name;
	struct rt_http_span value;	/* without surrounding white space */
};

enum rt_http_body_kind {
	RT_HTTP_BODY_NONE,
	RT_HTTP_BODY_LENGTH,
	RT_HTTP_BODY_CHUNKED,
};

/* A head that was understood. Spans point into the buffer it was read from. */
struct rt_http_request {
	u32 head_length;		/* with the empty line */
	struct rt_http_span method;
	struct rt_http_span path;	/* with the query */
	struct rt_http_span host;	/* host name alone, of Host */
	u16 port;			/* of Host, 0 when it names none */
	u8 minor;			/* HTTP/1.<minor> */
	u8 body;			/* enum rt_http_body_kind */
	u64 content_length;
	bool expect_continue;
	bool close;			/* Connection: close */
	u16 count;
	struct rt_http_field fields[RT_HTTP_FIELDS_MAX];
};

/*
 * Length of the head at the start of the buffer, 0 while it is incomplete.
 * -EINVAL for a byte that no head holds, -EMSGSIZE past RT_HTTP_HEAD_MAX.
 * `from` is where an earlier call on the same, shorter buffer left off.
 */
int rt_http_head_length(const char *buffer, u32 length, u32 from);

/* Says whether the first bytes may begin a request: 1 yes, 0 too few, -EPROTO. */
int rt_http_starts(const char *buffer, u32 length);

/*
 * Reads a head of exactly `length` bytes. -EINVAL for anything malformed or
 * ambiguous, and for what cannot be governed (CONNECT, Upgrade, HTTP/2).
 */
int rt_http_read(const char *head, u32 length, struct rt_http_request *request);

/* -EACCES unless Host names the service: its name and, if given, its port. */
int rt_http_check_host(const char *head, const struct rt_http_request *request,
		       const char *name, u16 port);

/* A method ("" for any) and a path prefix that ends at a path segment. */
struct rt_http_rule {
	const char *method;
	const char *prefix;
};

/* -EACCES unless a rule allows the request. No rule at all allows everything. */
int rt_http_check_rules(const char *head, const struct rt_http_request *request,
			const struct rt_http_rule *rules, u32 count);

/* A header line to send in place of all the application's of that name. */
struct rt_http_header {
	const char *name;
	const char *prefix;		/* "Bearer " or "" */
	const char *value;
	u32 value_length;
};

/*
 * Writes the head anew into `out`: every field but those named in `headers`,
 * then `headers`, then the empty line. Returns its length, -EMSGSIZE when
 * `size` is too small, -EINVAL for a value that is no field value.
 */
int rt_http_rewrite(const char *head, const struct rt_http_request *request,
		    const struct rt_http_header *headers, u32 count,
		    char *out, u32 size);

/* Position in a body. */
struct rt_http_body {
	u8 state;
	u8 kind;
	u16 digits;			/* of the chunk's size so far */
	u32 trailer;			/* bytes of the trailer so far */
	u64 remaining;			/* bytes of the body, or of the chunk */
};

void rt_http_body_begin(struct rt_http_body *body,
			const struct rt_http_request *request);

/* True when the next byte begins a new head. */
bool rt_http_body_done(const struct rt_http_body *body);

/*
 * Goes on through `length` bytes; returns how many belong to this body (fewer
 * than `length` only when it is done), or -EINVAL for broken chunks.
 */
int rt_http_body_feed(struct rt_http_body *body, const char *bytes, u32 length);

/* Case-insensitive comparison of a span with a name. */
bool rt_http_span_is(const char *head, struct rt_http_span span, const char *name);

#endif
