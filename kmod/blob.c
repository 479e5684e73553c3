// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes that the agent leaves for its next start. Opaque, never on a disk,
 * given only to who has /dev/riptides open, wiped when replaced and at unload.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "blob.h"

static DEFINE_MUTEX(blob_lock);
static void *blob;
static size_t blob_size;

int blob_put(const void *bytes, size_t length)
{
	void *old, *copy = NULL;
	size_t old_size;

	if (length) {
		copy = kvmalloc(length, GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, bytes, length);
	}
	mutex_lock(&blob_lock);
	old = blob;
	old_size = blob_size;
	blob = copy;
	blob_size = length;
	mutex_unlock(&blob_lock);
	kvfree_sensitive(old, old_size);
	return 0;
}

size_t blob_length(void)
{
	return READ_ONCE(blob_size);
}

size_t blob_copy(void *to, size_t size)
{
	size_t length;

	mutex_lock(&blob_lock);
	length = min(size, blob_size);
	if (length)
		memcpy(to, blob, length);
	mutex_unlock(&blob_lock);
	return length;
}

void blob_exit(void)
{
	blob_put(NULL, 0);
}
