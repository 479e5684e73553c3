/* SPDX-License-Identifier: GPL-2.0-only */
/* Strings in fields of fixed size. */
#ifndef RIPTIDES_TEXT_H
#define RIPTIDES_TEXT_H

#include <linux/string.h>

/* The string ends within its field and fills the rest of it with NULs. */
static inline bool text_is_padded(const char *field, size_t size)
{
	size_t length = strnlen(field, size);

	return length < size && !memchr_inv(field + length, 0, size - length);
}

#endif
