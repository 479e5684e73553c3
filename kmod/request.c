// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request head: judged in the process that wrote it, then sent with the
 * credential, the first one perhaps by the worker. The secret is looked up
 * anew each time, and copied to conn->out only.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "conn.h"
#include "request.h"
#include "sigv4.h"

/* What a rewritten head may be longer by: the values added, and ": " where there was ":". */
#define ADDED_MAX	(RIPTIDES_SECRET_MAX + RT_SIGV4_VALUE_MAX + RT_HTTP_FIELDS_MAX + 1024)
#define HASH_STEP	65536

/* The service of the first request; its name is what TLS will be asked to prove. */
static int find_service(struct conn *conn)
{
	struct rt_http_span host = conn->request->host;
	struct injection *injection;
	int err;

	injection = injection_find(conn->port, conn->head.bytes + host.at, host.length);
	err = PTR_ERR_OR_ZERO(injection);
	if (err == -ENOENT)
		return conn_fail(conn, RIPTIDES_WIRE_IDENTITY, -EACCES);
	if (err)
		return conn_fail(conn, RIPTIDES_WIRE_REFUSED, -EACCES);
	conn_set_injection(conn, injection);
	return 0;
}

/* After a COMMIT: the injection that took the place of ours, if TLS proves enough for it. */
static int renew_service(struct conn *conn)
{
	struct injection *old = conn->injection;
	struct injection *injection = injection_find(conn->port, old->host, strlen(old->host));

	if (injection == ERR_PTR(-ENOENT))
		return conn_fail(conn, RIPTIDES_WIRE_IDENTITY, -EACCES);
	if (IS_ERR(injection))
		return conn_fail(conn, RIPTIDES_WIRE_REFUSED, -EACCES);
	if (strcmp(injection->trust, old->trust)) {
		injection_put(injection);
		return conn_fail(conn, RIPTIDES_WIRE_REFUSED, -EACCES);
	}
	conn_set_injection(conn, injection);
	return 0;
}

static int check_service(struct conn *conn)
{
	int err;

	if (!conn->injection)
		return find_service(conn);
	err = injection_check(conn->injection);
	if (err == -ESTALE)
		return renew_service(conn);
	return err ? conn_fail(conn, RIPTIDES_WIRE_IDENTITY, -EACCES) : 0;
}

/*
 * Must the body be there before the head can leave? S3 takes streamed bodies
 * that the signature leaves out.
 */
static bool is_held(const struct conn *conn)
{
	const struct injection *injection = conn->injection;

	return injection->scheme == RIPTIDES_SCHEME_SIGV4 && strcmp(injection->service, "s3") &&
	       conn->request->body != RT_HTTP_BODY_NONE;
}

int request_check(struct conn *conn)
{
	const struct injection *injection;
	struct rt_http_request *request;
	struct secret *secret;
	int err;

	if (!conn->request)
		conn->request = kmalloc(sizeof(*conn->request), GFP_KERNEL_ACCOUNT);
	request = conn->request;
	event_process_current(&conn->process);
	if (!request)
		return conn_fail(conn, RIPTIDES_WIRE_BROKEN, -ENOMEM);
	err = rt_http_read(conn->head.bytes, conn->head.end, request);
	if (err)
		return conn_fail(conn, RIPTIDES_WIRE_MALFORMED, err);
	err = check_service(conn);
	if (err)
		return err;
	injection = conn->injection;
	err = rt_http_check_host(conn->head.bytes, request, injection->host, injection->port);
	if (!err)
		err = rt_http_check_rules(conn->head.bytes, request, injection->rules,
					  injection->rule_count);
	if (err)
		return conn_fail(conn, RIPTIDES_WIRE_REFUSED, err);
	if (is_held(conn) && request->content_length > injection->body_max)
		return conn_fail(conn, RIPTIDES_WIRE_MALFORMED, -EMSGSIZE);
	secret = injection_secret(conn->injection);
	if (IS_ERR(secret))
		return conn_fail(conn, RIPTIDES_WIRE_NO_SECRET, -EACCES);
	secret_put(secret);
	conn->requests++;
	return 0;
}

/* Working memory for a signature. */
struct signing {
	struct rt_sigv4_scratch scratch;
	struct rt_sigv4_signature signature;
};

/* Writes the signed head to `to`; its length, or an errno. */
static int write_signed(struct conn *conn, const struct secret *secret, const char *payload,
			char *to, u32 size)
{
	struct signing *signing = kmalloc(sizeof(*signing), GFP_KERNEL);
	const struct rt_sigv4_credential credential = {
		.access_key = secret->values[0],
		.secret_key = secret->values[1],
		.session_token = secret->lengths[2] ? secret->values[2] : NULL,
	};
	const struct rt_sigv4_scope scope = {
		.region = conn->injection->region,
		.service = conn->injection->service,
	};
	int result;

	if (!signing)
		return -ENOMEM;
	result = rt_sigv4_sign(conn->head.bytes, conn->request, &credential, &scope, payload,
			       ktime_get_real_seconds(), &signing->scratch, &signing->signature);
	if (!result)
		result = rt_http_rewrite(conn->head.bytes, conn->request,
					 signing->signature.headers, signing->signature.count,
					 to, size);
	kfree_sensitive(signing);
	return result;
}

static int write_head(struct conn *conn, const struct secret *secret, const char *payload,
		      char *to, u32 size)
{
	const struct injection *injection = conn->injection;
	const struct rt_http_header header = {
		.name = injection->header_name,
		.prefix = injection->prefix,
		.value = secret->values[0],
		.value_length = secret->lengths[0],
	};

	if (injection->scheme == RIPTIDES_SCHEME_SIGV4)
		return write_signed(conn, secret, payload, to, size);
	return rt_http_rewrite(conn->head.bytes, conn->request, &header, 1, to, size);
}

/*
 * Writes the head into `to` at its beginning. Its length, or the connection
 * has failed. The head that was judged is used up.
 */
static int add_credential(struct conn *conn, const char *payload, char *to, u32 size)
{
	struct secret *secret;
	int length;

	/* The worker cannot ask who calls, but what a COMMIT took back counts at once. */
	if (!READ_ONCE(conn->injection->table))
		return conn_fail(conn, RIPTIDES_WIRE_REFUSED, -EACCES);
	secret = injection_secret(conn->injection);
	if (IS_ERR(secret))
		return conn_fail(conn, RIPTIDES_WIRE_NO_SECRET, -EACCES);
	length = write_head(conn, secret, payload, to, size);
	conn->out_revision = secret->revision;
	secret_put(secret);
	if (length == -ENOMEM)
		return conn_fail(conn, RIPTIDES_WIRE_BROKEN, length);
	if (length < 0)
		return conn_fail(conn, RIPTIDES_WIRE_MALFORMED, length);
	conn->head.end = 0;
	return length;
}

static int begin_hold(struct conn *conn)
{
	u64 body = conn->request->body == RT_HTTP_BODY_LENGTH ? conn->request->content_length : 0;

	conn->room = conn->head.end + ADDED_MAX;
	if (conn_buffer_grow(&conn->hold, conn->room + body))
		return conn_fail(conn, RIPTIDES_WIRE_BROKEN, -ENOMEM);
	conn->hold.end = conn->room;
	conn->phase = PHASE_HOLD;
	return 0;
}

int request_send(struct conn *conn)
{
	char empty[RT_SIGV4_HASH_SIZE];
	const char *payload = NULL;
	int length;

	rt_http_body_begin(&conn->body, conn->request);
	if (is_held(conn))
		return begin_hold(conn);
	if (conn->injection->scheme == RIPTIDES_SCHEME_SIGV4 &&
	    conn->request->body == RT_HTTP_BODY_NONE) {
		rt_sigv4_hash("", 0, empty);
		payload = empty;
	}
	if (conn_buffer_grow(&conn->out, conn->head.end + ADDED_MAX))
		return conn_fail(conn, RIPTIDES_WIRE_BROKEN, -ENOMEM);
	length = add_credential(conn, payload, conn->out.bytes, conn->out.size);
	if (length < 0)
		return length;
	conn->out.at = 0;
	WRITE_ONCE(conn->out.end, length);
	conn->phase = rt_http_body_done(&conn->body) ? PHASE_HEAD : PHASE_BODY;
	return 0;
}

static void hash(struct rt_digest *digest, const char *bytes, u32 length)
{
	u32 step;

	for (; length; bytes += step, length -= step) {
		step = min_t(u32, length, HASH_STEP);
		rt_digest_add(digest, bytes, step);
		cond_resched();
	}
}

/* The data of chunks that http_body.c found to be in order; no extensions are. */
static void hash_chunks(struct rt_digest *digest, const char *at, const char *end)
{
	u64 size;

	do {
		for (size = 0; at < end && *at != '\r'; at++)
			size = size << 4 | hex_to_bin(*at);
		at += 2;
		size = at < end ? min_t(u64, size, end - at) : 0;
		hash(digest, at, size);
		at += size + 2;
	} while (size);
}

static void hash_held(const struct conn *conn, char payload[RT_SIGV4_HASH_SIZE])
{
	const char *bytes = conn->hold.bytes + conn->room;
	const char *end = conn->hold.bytes + conn->hold.end;
	struct rt_digest digest;
	u8 sum[RT_DIGEST_SIZE];

	rt_digest_begin(&digest);
	if (conn->request->body == RT_HTTP_BODY_CHUNKED)
		hash_chunks(&digest, bytes, end);
	else
		hash(&digest, bytes, end - bytes);
	rt_digest_end(&digest, sum);
	*bin2hex(payload, sum, sizeof(sum)) = 0;
}

int request_send_held(struct conn *conn)
{
	char payload[RT_SIGV4_HASH_SIZE];
	int length;

	hash_held(conn, payload);
	length = add_credential(conn, payload, conn->hold.bytes, conn->room);
	if (length < 0)
		return length;
	/* The head ends where the body begins. */
	memmove(conn->hold.bytes + conn->room - length, conn->hold.bytes, length);
	conn_buffer_free(&conn->out);
	conn->out = conn->hold;
	memset(&conn->hold, 0, sizeof(conn->hold));
	conn->out.at = conn->room - length;
	conn->phase = PHASE_HEAD;
	return 0;
}
