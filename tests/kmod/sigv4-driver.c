// SPDX-License-Identifier: Apache-2.0
/*
 * Signs requests with kmod/sigv4.c. Each input on stdin is a sequence of texts, each a 4-byte little-endian length and its bytes:
 * access key, secret key, session token ("" for none), region, service, seconds since 1970, payload ("-" for a streamed one), head.
 * Prints one line an input: an errno, or the header lines as a JSON list of [name, value].
 */
#include "../../kmod/sigv4.h"
#include <stdio.h>
#include <stdlib.h>

static char *read_text(uint32_t *length)
{
	char *text;

	if (fread(length, sizeof(*length), 1, stdin) != 1)
		return NULL;
	text = malloc(*length + 1);
	if (!text || fread(text, 1, *length, stdin) != *length)
		exit(1);
	text[*length] = 0;
	return text;
}

int main(void)
{
	enum { ACCESS, SECRET, TOKEN, REGION, SERVICE, SECONDS, PAYLOAD, HEAD, TEXTS };
	static struct rt_sigv4_scratch scratch;
	static struct rt_sigv4_signature signature;
	static struct rt_http_request request;
	char *text[TEXTS];
	uint32_t length[TEXTS];

	while ((text[0] = read_text(&length[0]))) {
		char payload[RT_SIGV4_HASH_SIZE];
		int err;

		for (int i = 1; i < TEXTS; i++)
			text[i] = read_text(&length[i]);
		const struct rt_sigv4_credential credential = { text[ACCESS], text[SECRET], *text[TOKEN] ? text[TOKEN] : NULL };
		const struct rt_sigv4_scope scope = { text[REGION], text[SERVICE] };

		err = rt_http_read(text[HEAD], length[HEAD], &request);
		rt_sigv4_hash(text[PAYLOAD], length[PAYLOAD], payload);
		if (!err)
			err = rt_sigv4_sign(text[HEAD], &request, &credential, &scope, strcmp(text[PAYLOAD], "-") ? payload : NULL,
					    strtoull(text[SECONDS], NULL, 10), &scratch, &signature);
		if (err) {
			printf("%d\n", err);
		} else {
			putchar('[');
			for (uint32_t i = 0; i < signature.count; i++)
				printf("%s[\"%s\",\"%.*s\"]", i ? "," : "", signature.headers[i].name, (int)signature.headers[i].value_length,
				       signature.headers[i].value);
			puts("]");
		}
		for (int i = 0; i < TEXTS; i++)
			free(text[i]);
	}
	return 0;
}
