// SPDX-License-Identifier: GPL-2.0-only
/* Heads of HTTP/1.1 requests. See http.h for the rules. */
#include "http.h"

/* RFC 9110 section 5.6.2. */
static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

/* RFC 9110 section 5.5: visible, obs-text, space and tab. */
static bool is_value_char(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool rt_http_span_is(const char *head, struct rt_http_span span, const char *name)
{
	u32 i;

	for (i = 0; i < span.length; i++)
		if (!name[i] || lower(head[span.at + i]) != lower(name[i]))
			return false;
	return !name[i];
}

int rt_http_starts(const char *buffer, u32 length)
{
	u32 i;

	/* The longest registered method has 17 letters. */
	for (i = 0; i < length && i < 18; i++) {
		if (buffer[i] == ' ')
			return i ? 1 : -EPROTO;
		if (!is_token_char(buffer[i]))
			return -EPROTO;
	}
	return i == 18 ? -EPROTO : 0;
}

int rt_http_head_length(const char *buffer, u32 length, u32 from)
{
	u32 limit = length < RT_HTTP_HEAD_MAX ? length : RT_HTTP_HEAD_MAX;
	u32 i;

	/* The end may lie across the seam: three bytes before it suffice. */
	for (i = from > 3 ? from - 3 : 0; i < limit; i++) {
		unsigned char c = buffer[i];

		if (c == '\r') {
			if (i + 1 < length && buffer[i + 1] != '\n')
				return -EINVAL;
		} else if (c == '\n') {
			if (!i || buffer[i - 1] != '\r')
				return -EINVAL;
			if (i >= 3 && buffer[i - 2] == '\n')
				return i + 1;
		} else if (!is_value_char(c)) {
			return -EINVAL;
		}
	}
	return length >= RT_HTTP_HEAD_MAX ? -EMSGSIZE : 0;
}

/* A cursor over the head: it never moves past `end`. */
struct cursor {
	const char *head;
	u32 at;
	u32 end;
};

static bool take(struct cursor *cursor, char wanted)
{
	if (cursor->at >= cursor->end || cursor->head[cursor->at] != wanted)
		return false;
	cursor->at++;
	return true;
}

/* All of the text, or nothing of it. */
static bool take_text(struct cursor *cursor, const char *text)
{
	u32 start = cursor->at;

	for (; *text; text++) {
		if (!take(cursor, *text)) {
			cursor->at = start;
			return false;
		}
	}
	return true;
}

static struct rt_http_span take_token(struct cursor *cursor)
{
	struct rt_http_span span = { .at = cursor->at };

	while (cursor->at < cursor->end && is_token_char(cursor->head[cursor->at]))
		cursor->at++;
	span.length = cursor->at - span.at;
	return span;
}

/* Visible ASCII up to a space: a request target. */
static struct rt_http_span take_target(struct cursor *cursor)
{
	struct rt_http_span span = { .at = cursor->at };

	while (cursor->at < cursor->end && cursor->head[cursor->at] > 0x20 &&
	       cursor->head[cursor->at] < 0x7f)
		cursor->at++;
	span.length = cursor->at - span.at;
	return span;
}

static bool contains(const char *head, struct rt_http_span span, char wanted)
{
	return memchr(head + span.at, wanted, span.length);
}

static int read_request_line(struct cursor *cursor, struct rt_http_request *request)
{
	request->method = take_token(cursor);
	if (!request->method.length || !take(cursor, ' '))
		return -EINVAL;
	request->path = take_target(cursor);
	if (!request->path.length || !take(cursor, ' '))
		return -EINVAL;
	if (!take_text(cursor, "HTTP/1."))
		return -EINVAL;
	if (take(cursor, '1'))
		request->minor = 1;
	else if (!take(cursor, '0'))
		return -EINVAL;
	if (!take_text(cursor, "\r\n"))
		return -EINVAL;

	/*
	 * Only the origin form, and `OPTIONS *`: an absolute target could name
	 * another authority than Host, CONNECT opens a tunnel, and a fragment
	 * is no part of a target.
	 */
	if (rt_http_span_is(cursor->head, request->method, "CONNECT"))
		return -EINVAL;
	if (contains(cursor->head, request->path, '#'))
		return -EINVAL;
	if (cursor->head[request->path.at] == '/')
		return 0;
	return request->path.length == 1 && cursor->head[request->path.at] == '*' &&
	       rt_http_span_is(cursor->head, request->method, "OPTIONS") ? 0 : -EINVAL;
}

static int read_field(struct cursor *cursor, struct rt_http_field *field)
{
	u32 end;

	/* A line that begins with white space is folding: no token, so refused. */
	field->name = take_token(cursor);
	if (!field->name.length || !take(cursor, ':'))
		return -EINVAL;
	while (cursor->at < cursor->end &&
	       (cursor->head[cursor->at] == ' ' || cursor->head[cursor->at] == '\t'))
		cursor->at++;
	field->value.at = cursor->at;
	while (cursor->at < cursor->end && is_value_char(cursor->head[cursor->at]))
		cursor->at++;
	end = cursor->at;
	while (end > field->value.at &&
	       (cursor->head[end - 1] == ' ' || cursor->head[end - 1] == '\t'))
		end--;
	field->value.length = end - field->value.at;
	return take_text(cursor, "\r\n") ? 0 : -EINVAL;
}

static int read_content_length(const char *head, struct rt_http_span value, u64 *length)
{
	u64 total = 0;
	u32 i;

	if (!value.length || value.length > 18)
		return -EINVAL;
	for (i = 0; i < value.length; i++) {
		if (!is_digit(head[value.at + i]))
			return -EINVAL;
		total = total * 10 + (head[value.at + i] - '0');
	}
	*length = total;
	return 0;
}

/* `name` or `name:port`; no user, no IPv6 literal, no empty name. */
static int read_host(const char *head, struct rt_http_span value,
		     struct rt_http_request *request)
{
	u32 i, port = 0;

	request->host = value;
	for (i = 0; i < value.length; i++) {
		unsigned char c = head[value.at + i];

		if (c == ':')
			break;
		if (!is_digit(c) && (lower(c) < 'a' || lower(c) > 'z') && c != '.' && c != '-')
			return -EINVAL;
	}
	if (!i)
		return -EINVAL;
	request->host.length = i;
	if (i == value.length)
		return 0;
	if (value.length - i < 2 || value.length - i > 6)
		return -EINVAL;
	for (i++; i < value.length; i++) {
		if (!is_digit(head[value.at + i]))
			return -EINVAL;
		port = port * 10 + (head[value.at + i] - '0');
	}
	if (!port || port > 65535)
		return -EINVAL;
	request->port = (u16)port;
	return 0;
}

/*
 * Connection may only ask to keep or close: any other token would name a
 * header for the next hop to drop, the injected one among them, or an upgrade.
 */
static int read_connection(const char *head, struct rt_http_span value,
			   struct rt_http_request *request)
{
	if (rt_http_span_is(head, value, "close"))
		request->close = true;
	else if (!rt_http_span_is(head, value, "keep-alive"))
		return -EINVAL;
	return 0;
}

/* Fields that decide framing or routing: each at most once. */
struct seen {
	bool host;
	bool length;
	bool coding;
	bool connection;
	bool expect;
};

static bool first(bool *seen)
{
	bool before = *seen;

	*seen = true;
	return !before;
}

static int read_known(const char *head, const struct rt_http_field *field,
		      struct seen *seen, struct rt_http_request *request)
{
	if (rt_http_span_is(head, field->name, "Host"))
		return first(&seen->host) ? read_host(head, field->value, request) : -EINVAL;
	if (rt_http_span_is(head, field->name, "Content-Length")) {
		request->body = RT_HTTP_BODY_LENGTH;
		return first(&seen->length) ?
		       read_content_length(head, field->value, &request->content_length) : -EINVAL;
	}
	if (rt_http_span_is(head, field->name, "Transfer-Encoding")) {
		request->body = RT_HTTP_BODY_CHUNKED;
		return first(&seen->coding) && rt_http_span_is(head, field->value, "chunked") ?
		       0 : -EINVAL;
	}
	if (rt_http_span_is(head, field->name, "Connection"))
		return first(&seen->connection) ?
		       read_connection(head, field->value, request) : -EINVAL;
	if (rt_http_span_is(head, field->name, "Expect")) {
		request->expect_continue = true;
		return first(&seen->expect) && rt_http_span_is(head, field->value, "100-continue") ?
		       0 : -EINVAL;
	}
	if (rt_http_span_is(head, field->name, "Upgrade") ||
	    rt_http_span_is(head, field->name, "HTTP2-Settings"))
		return -EINVAL;
	return 0;
}

int rt_http_read(const char *head, u32 length, struct rt_http_request *request)
{
	struct cursor cursor = { .head = head, .end = length };
	struct seen seen = { 0 };
	int err;

	memset(request, 0, sizeof(*request));
	if (length > RT_HTTP_HEAD_MAX)
		return -EMSGSIZE;
	request->head_length = length;
	err = read_request_line(&cursor, request);
	if (err)
		return err;
	while (!take_text(&cursor, "\r\n")) {
		struct rt_http_field *field;

		if (request->count == RT_HTTP_FIELDS_MAX)
			return -EMSGSIZE;
		field = &request->fields[request->count++];
		err = read_field(&cursor, field);
		if (!err)
			err = read_known(head, field, &seen, request);
		if (err)
			return err;
	}
	if (cursor.at != length || !seen.host)
		return -EINVAL;
	/* Two framings, or a coding that an HTTP/1.0 reader would not know. */
	if (seen.coding && (seen.length || request->minor == 0))
		return -EINVAL;
	if (request->body == RT_HTTP_BODY_LENGTH && !request->content_length)
		request->body = RT_HTTP_BODY_NONE;
	return 0;
}

int rt_http_check_host(const char *head, const struct rt_http_request *request,
		       const char *name, u16 port)
{
	if (!rt_http_span_is(head, request->host, name))
		return -EACCES;
	return !request->port || request->port == port ? 0 : -EACCES;
}

/*
 * A path that a server could resolve to another one than it reads as: dot
 * segments, empty segments, backslashes, and escapes of these.
 */
static bool is_plain_path(const char *path, u32 length)
{
	u32 i;

	for (i = 0; i < length; i++) {
		if (path[i] == '\\' || path[i] == '%' || path[i] == ';')
			return false;
		if (path[i] != '/')
			continue;
		if (i + 1 < length && path[i + 1] == '/')
			return false;
		if (i + 1 < length && path[i + 1] == '.' &&
		    (i + 2 == length || path[i + 2] == '/' || path[i + 2] == '.'))
			return false;
	}
	return true;
}

int rt_http_check_rules(const char *head, const struct rt_http_request *request,
			const struct rt_http_rule *rules, u32 count)
{
	const char *path = head + request->path.at;
	const char *query = memchr(path, '?', request->path.length);
	u32 length = query ? (u32)(query - path) : request->path.length;
	u32 i;

	if (!count)
		return 0;
	if (!is_plain_path(path, length))
		return -EACCES;
	for (i = 0; i < count; i++) {
		size_t prefix = strlen(rules[i].prefix);
		struct rt_http_span method = request->method;

		/* Methods are case-sensitive (RFC 9110 section 9.1). */
		if (*rules[i].method && (strlen(rules[i].method) != method.length ||
					 memcmp(rules[i].method, head + method.at, method.length)))
			continue;
		if (prefix > length || memcmp(path, rules[i].prefix, prefix))
			continue;
		if (!prefix || prefix == length || path[prefix] == '/' ||
		    path[prefix - 1] == '/')
			return 0;
	}
	return -EACCES;
}

/* Output that remembers that it has overflowed. */
struct writer {
	char *out;
	u32 at;
	u32 size;
	bool full;
};

static void put(struct writer *writer, const char *bytes, size_t length)
{
	if (writer->full || length > writer->size - writer->at) {
		writer->full = true;
		return;
	}
	memcpy(writer->out + writer->at, bytes, length);
	writer->at += (u32)length;
}

static bool is_replaced(const char *head, struct rt_http_span name,
			const struct rt_http_header *headers, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (rt_http_span_is(head, name, headers[i].name))
			return true;
	return false;
}

int rt_http_rewrite(const char *head, const struct rt_http_request *request,
		    const struct rt_http_header *headers, u32 count,
		    char *out, u32 size)
{
	struct writer writer = { .out = out, .size = size };
	u32 line = request->count ? request->fields[0].name.at : request->head_length - 2;
	u32 i, j;

	put(&writer, head, line);
	for (i = 0; i < request->count; i++) {
		const struct rt_http_field *field = &request->fields[i];

		if (is_replaced(head, field->name, headers, count))
			continue;
		put(&writer, head + field->name.at, field->name.length);
		put(&writer, ": ", 2);
		put(&writer, head + field->value.at, field->value.length);
		put(&writer, "\r\n", 2);
	}
	for (i = 0; i < count; i++) {
		for (j = 0; j < headers[i].value_length; j++)
			if (!is_value_char(headers[i].value[j]))
				return -EINVAL;
		put(&writer, headers[i].name, strlen(headers[i].name));
		put(&writer, ": ", 2);
		put(&writer, headers[i].prefix, strlen(headers[i].prefix));
		put(&writer, headers[i].value, headers[i].value_length);
		put(&writer, "\r\n", 2);
	}
	put(&writer, "\r\n", 2);
	return writer.full ? -EMSGSIZE : (int)writer.at;
}
