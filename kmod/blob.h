/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_BLOB_H
#define RIPTIDES_BLOB_H

#include <linux/types.h>

/* Replaces the bytes; none clears them. -ENOMEM keeps the old ones. */
int blob_put(const void *bytes, size_t length);

size_t blob_length(void);

/* Copies at most size bytes; returns how many. */
size_t blob_copy(void *to, size_t size);

void blob_exit(void);

#endif
