// SPDX-License-Identifier: Apache-2.0
#include "http-check.h"
#include "../../kmod/http.h"
#include <stdio.h>
#include <stdlib.h>

#define must(condition)                                                          \
	do {                                                                     \
		if (!(condition)) {                                              \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                 \
		}                                                                \
	} while (0)

/* Finding the end in two steps gives what one step gives. */
static void check_seam(const char *bytes, uint32_t length, int whole)
{
	for (uint32_t cut = 0; cut <= length; cut += 1 + length / 16) {
		int part = rt_http_head_length(bytes, cut, 0);

		if (part == 0)
			must(rt_http_head_length(bytes, length, cut) == whole);
		else if (part > 0)
			must(part == whole);
		else
			must(whole < 0);
	}
}

/* Feeding a body in pieces ends where feeding it whole ends. */
static void check_body(const struct rt_http_request *request, const char *bytes, uint32_t length)
{
	struct rt_http_body whole, split;
	int taken;

	rt_http_body_begin(&whole, request);
	taken = rt_http_body_feed(&whole, bytes, length);
	must(taken <= (int)length);
	must(taken < 0 || taken == (int)length || rt_http_body_done(&whole));
	for (uint32_t step = 1; step <= 7; step += 3) {
		uint32_t at = 0;
		int got = 0;

		rt_http_body_begin(&split, request);
		while (at < length && !rt_http_body_done(&split)) {
			uint32_t piece = length - at < step ? length - at : step;

			got = rt_http_body_feed(&split, bytes + at, piece);
			if (got < 0)
				break;
			at += (uint32_t)got;
		}
		must((got < 0) == (taken < 0));
		must(taken < 0 || at == (uint32_t)taken);
		must(taken < 0 || rt_http_body_done(&split) == rt_http_body_done(&whole));
	}
}

static uint32_t count_field(const char *head, const struct rt_http_request *request, const char *name)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < request->count; i++)
		found += rt_http_span_is(head, request->fields[i].name, name);
	return found;
}

/* What is sent is a head again, with exactly one key, and says the same in all else. */
static void check_rewrite(const char *head, const struct rt_http_request *request)
{
	static char out[RT_HTTP_HEAD_MAX + 256];
	static struct rt_http_request again;
	const struct rt_http_header header = { "Authorization", "Bearer ", "sk-canary", 9 };
	int length = rt_http_rewrite(head, request, &header, 1, out, sizeof(out));

	must(length > 0);
	if (length > RT_HTTP_HEAD_MAX || request->count == RT_HTTP_FIELDS_MAX)
		return;
	must(rt_http_head_length(out, (uint32_t)length, 0) == length);
	must(rt_http_read(out, (uint32_t)length, &again) == 0);
	must(count_field(out, &again, "authorization") == 1);
	must(again.count + count_field(head, request, "authorization") == request->count + 1u);
	must(again.body == request->body && again.content_length == request->content_length);
	must(again.path.length == request->path.length);
	must(!memcmp(out + again.path.at, head + request->path.at, again.path.length));
	must(again.host.length == request->host.length && again.port == request->port);
	must(rt_http_rewrite(head, request, &header, 1, out, (uint32_t)length - 1) == -EMSGSIZE);
}

void check_http(const uint8_t *data, size_t size)
{
	static struct rt_http_request request;
	const char *bytes = (const char *)data;
	uint32_t length = (uint32_t)size;
	int head = rt_http_head_length(bytes, length, 0);
	static const struct rt_http_rule rules[] = { { "POST", "/v1/chat/completions" }, { "", "/v1/models" } };

	rt_http_starts(bytes, length);
	check_seam(bytes, length, head);
	/* The reader must stand any bytes, not only what the scan let through. */
	if (head <= 0) {
		must(length > RT_HTTP_HEAD_MAX || rt_http_read(bytes, length, &request) != 0);
		return;
	}
	if (rt_http_read(bytes, (uint32_t)head, &request))
		return;
	must(request.host.length > 0);
	rt_http_check_host(bytes, &request, "api.openai.com", 443);
	rt_http_check_rules(bytes, &request, rules, 2);
	check_rewrite(bytes, &request);
	check_body(&request, bytes + head, length - (uint32_t)head);
}
