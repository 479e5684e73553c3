// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a request's body ends.
 *
 *   LENGTH --remaining 0--> DONE
 *   SIZE --digit--> SIZE_MORE (extensions are refused: nobody sends them, and
 *                   readers differ in them)
 *   SIZE_MORE --CR--> SIZE_LF --size > 0--> DATA --> DATA_CR --> DATA_LF --> SIZE
 *   SIZE_LF --size 0--> TRAILER --CR--> END_LF --LF--> DONE
 *   TRAILER --name--> NAME --:--> VALUE --CR--> VALUE_LF --LF--> TRAILER
 *   any --other byte--> -EINVAL
 */
#include "http.h"

enum {
	LENGTH,
	SIZE,
	SIZE_MORE,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,
	NAME,
	VALUE,
	VALUE_LF,
	END_LF,
	DONE,
};

/* 15 hexadecimal digits cannot overflow 64 bits. */
#define SIZE_DIGITS_MAX 15

void rt_http_body_begin(struct rt_http_body *body,
			const struct rt_http_request *request)
{
	memset(body, 0, sizeof(*body));
	body->kind = request->body;
	if (request->body == RT_HTTP_BODY_LENGTH) {
		body->state = LENGTH;
		body->remaining = request->content_length;
	} else {
		body->state = request->body == RT_HTTP_BODY_CHUNKED ? SIZE : DONE;
	}
}

bool rt_http_body_done(const struct rt_http_body *body)
{
	return body->state == DONE;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static int feed_size(struct rt_http_body *body, unsigned char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (++body->digits > SIZE_DIGITS_MAX)
			return -EINVAL;
		body->remaining = body->remaining << 4 | digit;
		body->state = SIZE_MORE;
		return 0;
	}
	if (body->state == SIZE || c != '\r')
		return -EINVAL;
	body->state = SIZE_LF;
	return 0;
}

static int feed_trailer(struct rt_http_body *body, unsigned char c)
{
	if (++body->trailer > RT_HTTP_TRAILER_MAX)
		return -EINVAL;
	switch (body->state) {
	case TRAILER:
		if (c == '\r')
			body->state = END_LF;
		else if (is_token_char(c))
			body->state = NAME;
		else
			return -EINVAL;
		return 0;
	case NAME:
		if (c == ':')
			body->state = VALUE;
		else if (!is_token_char(c))
			return -EINVAL;
		return 0;
	case VALUE:
		if (c == '\r')
			body->state = VALUE_LF;
		else if (c != '\t' && (c < 0x20 || c == 0x7f))
			return -EINVAL;
		return 0;
	default:
		return -EINVAL;
	}
}

static int feed_fixed(struct rt_http_body *body, unsigned char c, unsigned char wanted, u8 next)
{
	if (c != wanted)
		return -EINVAL;
	body->state = next;
	return 0;
}

static int feed_byte(struct rt_http_body *body, unsigned char c)
{
	int err;

	switch (body->state) {
	case SIZE:
	case SIZE_MORE:
		return feed_size(body, c);
	case SIZE_LF:
		err = feed_fixed(body, c, '\n', body->remaining ? DATA : TRAILER);
		body->digits = 0;
		return err;
	case DATA_CR:
		return feed_fixed(body, c, '\r', DATA_LF);
	case DATA_LF:
		return feed_fixed(body, c, '\n', SIZE);
	case VALUE_LF:
		return feed_fixed(body, c, '\n', TRAILER);
	case END_LF:
		return feed_fixed(body, c, '\n', DONE);
	default:
		return feed_trailer(body, c);
	}
}

int rt_http_body_feed(struct rt_http_body *body, const char *bytes, u32 length)
{
	u32 at = 0;

	while (at < length && body->state != DONE) {
		if (body->state == LENGTH || body->state == DATA) {
			u64 step = body->remaining < length - at ? body->remaining : length - at;

			body->remaining -= step;
			at += (u32)step;
			if (!body->remaining)
				body->state = body->state == DATA ? DATA_CR : DONE;
			continue;
		}
		if (feed_byte(body, bytes[at]))
			return -EINVAL;
		at++;
	}
	return at;
}
