/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold for any bytes whatever: shared by the fuzzer and the corpus run. */
#ifndef HTTP_CHECK_H
#define HTTP_CHECK_H

#include <stdint.h>
#include <stddef.h>

/* Aborts when a property of kmod/http.c or kmod/http_body.c does not hold for these bytes. */
void check_http(const uint8_t *data, size_t size);

#endif
