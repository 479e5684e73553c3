/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys of bindings, padded with NULs, so that they are compared as bytes. */
#ifndef RIPTIDES_KEY_H
#define RIPTIDES_KEY_H

#include <linux/jhash.h>
#include <linux/string.h>
#include "uapi/riptides.h"

static inline u32 key_hash(const struct riptides_key *key)
{
	return jhash(key, sizeof(*key), 0);
}

static inline bool key_equal(const struct riptides_key *a, const struct riptides_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

#endif
