// SPDX-License-Identifier: GPL-2.0-only
/*
 * The values of a SECRET frame. They end in request heads, so they hold no
 * control characters; they are wiped with the last reference.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "injection.h"
#include "wire.h"

static bool is_printable(const u8 *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			return false;
	return true;
}

/* One value, or access key, secret key and perhaps a session token. */
static bool is_complete(const u32 lengths[4])
{
	return lengths[0] && (lengths[1] || !lengths[2]) && !lengths[3];
}

struct secret *secret_parse(const struct riptides_secret *frame, size_t length)
{
	u32 lengths[ARRAY_SIZE(frame->lengths)];
	struct secret *secret;
	u64 total = 0;
	size_t i;
	char *at;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		lengths[i] = le32_to_cpu(frame->lengths[i]);
		total += lengths[i];
	}
	if (total != length)
		return ERR_PTR(-EMSGSIZE);
	if (!is_complete(lengths) || !is_printable(frame->bytes, length))
		return ERR_PTR(-EINVAL);
	secret = kzalloc(struct_size(secret, bytes, length + ARRAY_SIZE(lengths)), GFP_KERNEL);
	if (!secret)
		return ERR_PTR(-ENOMEM);
	kref_init(&secret->ref);
	at = secret->bytes;
	for (i = 0, total = 0; i < ARRAY_SIZE(lengths); i++) {
		secret->lengths[i] = lengths[i];
		secret->values[i] = at;
		memcpy(at, frame->bytes + total, lengths[i]);
		total += lengths[i];
		at += lengths[i] + 1;
	}
	return secret;
}

bool secret_fits(const struct secret *secret, u32 scheme)
{
	return (scheme == RIPTIDES_SCHEME_SIGV4) == (secret->lengths[1] != 0);
}

static void secret_release(struct kref *ref)
{
	kfree_sensitive(container_of(ref, struct secret, ref));
}

void secret_put(struct secret *secret)
{
	if (secret)
		kref_put(&secret->ref, secret_release);
}
