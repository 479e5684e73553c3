// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: signing never reads out of bounds and its lines are field values, whatever the request. Link with ../../kmod/sigv4.c, sigv4_canonical.c, http.c and -lcrypto. */
#include "../../kmod/sigv4.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rt_sigv4_scratch scratch;
	static struct rt_sigv4_signature signature;
	static struct rt_http_request request;
	static char out[RT_HTTP_HEAD_MAX + 8192];
	const struct rt_sigv4_credential credential = { "AKIDEXAMPLE", "secret", size & 1 ? "token" : NULL };
	const struct rt_sigv4_scope scope = { "us-east-1", size & 2 ? "s3" : "sts" };
	const char *head = (const char *)data;

	if (size > UINT32_MAX || rt_http_read(head, (uint32_t)size, &request))
		return 0;
	if (rt_sigv4_sign(head, &request, &credential, &scope, size & 2 ? NULL : "00", size * 7919, &scratch, &signature))
		return 0;
	if (rt_http_rewrite(head, &request, signature.headers, signature.count, out, sizeof(out)) <= 0)
		abort();
	return 0;
}
