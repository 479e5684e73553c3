// SPDX-License-Identifier: Apache-2.0
/*
 * Reads inputs (a 4-byte little-endian length, then the bytes) from stdin and prints one JSON line each: how kmod/http.c
 * understands the first request in them. Every input is checked by check_http too.
 */
#include "http-check.h"
#include "../../kmod/http.h"
#include <stdio.h>
#include <stdlib.h>

static const char hex[] = "0123456789abcdef";

static void print_span(const char *name, const char *bytes, struct rt_http_span span)
{
	printf(",\"%s\":\"", name);
	for (uint32_t i = 0; i < span.length; i++)
		printf("%c%c", hex[(uint8_t)bytes[span.at + i] >> 4], hex[bytes[span.at + i] & 15]);
	putchar('"');
}

static void describe(const char *bytes, uint32_t length)
{
	static struct rt_http_request request;
	static const struct rt_http_rule rules[] = { { "POST", "/v1/chat/completions" }, { "", "/v1/models" } };
	struct rt_http_body body;
	int head = rt_http_head_length(bytes, length, 0);
	int err = head < 0 ? head : head ? rt_http_read(bytes, (uint32_t)head, &request) : 0;
	int taken;

	if (head <= 0 || err) {
		printf("{\"error\":%d,\"head\":%d}\n", err, head);
		return;
	}
	rt_http_body_begin(&body, &request);
	taken = rt_http_body_feed(&body, bytes + head, length - (uint32_t)head);
	printf("{\"error\":0,\"head\":%d,\"body\":%d,\"done\":%s,\"close\":%s,\"minor\":%d,\"port\":%d", head, taken,
	       rt_http_body_done(&body) ? "true" : "false", request.close ? "true" : "false", request.minor, request.port);
	printf(",\"host_check\":%d,\"rule_check\":%d", rt_http_check_host(bytes, &request, "api.openai.com", 443),
	       rt_http_check_rules(bytes, &request, rules, 2));
	print_span("method", bytes, request.method);
	print_span("path", bytes, request.path);
	print_span("host", bytes, request.host);
	printf(",\"fields\":%d}\n", request.count);
}

int main(void)
{
	uint32_t length;

	while (fread(&length, sizeof(length), 1, stdin) == 1) {
		/* Of the exact size, so that the address sanitizer sees a byte too far. */
		char *bytes = malloc(length ? length : 1);

		if (!bytes || fread(bytes, 1, length, stdin) != length)
			return 1;
		check_http((const uint8_t *)bytes, length);
		describe(bytes, length);
		free(bytes);
	}
	return 0;
}
