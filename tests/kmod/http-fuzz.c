// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: clang -g -O1 -fsanitize=fuzzer,address,undefined http-fuzz.c http-check.c ../../kmod/http.c ../../../kmod/http_body.c */
#include "http-check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_http(data, size);
	return 0;
}
