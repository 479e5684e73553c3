/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_SIGV4_CANONICAL_H
#define RIPTIDES_SIGV4_CANONICAL_H

#include "sigv4.h"

static inline unsigned char rt_sigv4_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* The path, -EINVAL when the server would resolve another one. */
int rt_sigv4_add_path(struct rt_digest *digest, const char *path, u32 length, bool s3);

/* Sorts the parameters of the query at [at, end) of the head. */
int rt_sigv4_read_query(const char *head, u32 at, u32 end, struct rt_sigv4_scratch *scratch);
void rt_sigv4_add_query(struct rt_digest *digest, const char *head,
			const struct rt_sigv4_scratch *scratch);

/* Adds a field to those signed; the list stays sorted by name. */
int rt_sigv4_sign_field(struct rt_sigv4_scratch *scratch, const char *name, u32 name_length,
			const char *value, u32 value_length);

/* Host, Content-Type, and every X-Amz- field of the application. */
int rt_sigv4_sign_application_fields(const char *head, const struct rt_http_request *request,
				     struct rt_sigv4_scratch *scratch);

/* Says whether two signed fields have one name. */
bool rt_sigv4_same_name(const struct rt_sigv4_scratch *scratch, u32 a, u32 b);

/* The signed fields, those of one name joined by commas. */
void rt_sigv4_add_fields(struct rt_digest *digest, const struct rt_sigv4_scratch *scratch);

#endif
