// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table in force: of bindings with files and their contents (here), and of
 * injections and their secrets (wire.c). Both change in one step.
 *
 * A binding with a file:
 *
 *   absent --COMMIT--> EMPTY --CREDENTIAL--> LIVE --CREDENTIAL--> LIVE
 *                        ^                    |  \--expiry------> EXPIRED
 *                        +-------WIPE---------+                     |
 *                        LIVE <-------------------CREDENTIAL--------+
 *   any --COMMIT without it or its file, unload--> absent: content wiped, file gone
 *
 * Locks, outermost first:
 *   store_mutex  writers of the table, one at a time. Held over the creation
 *                and removal of sysfs entries; removal waits for readers, so
 *                no reader and no work of ours may take it.
 *   store_lock   what readers see: links of the table, identity, content,
 *                revision. A table swap is one section of it, so a reader sees
 *                the old table or the new one. Nothing sleeps on user space
 *                while it is held.
 *   then leaves: binding_wire.lock, seen.lock, ring_lock.
 *
 * A reader checks an identity without a lock (it may have to read a whole
 * executable) and copies the content only if that same identity is still in
 * force, under store_lock. So after COMMIT, WIPE or CREDENTIAL has returned no
 * read gives out what it took away.
 */
#include <linux/err.h>
#include <linux/kernfs.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "expiry.h"
#include "files.h"
#include "health.h"
#include "identity.h"
#include "key.h"
#include "stage.h"
#include "store.h"
#include "wire.h"

#define SNAPSHOT_LENGTH_BITS	13

static DEFINE_HASHTABLE(table, 10);
static DEFINE_MUTEX(store_mutex);
static DECLARE_RWSEM(store_lock);
static u64 generation;		/* store_lock, as the next two */
static u32 binding_count;
static u32 injection_count;

static_assert(RIPTIDES_CONTENT_MAX < 1 << SNAPSHOT_LENGTH_BITS);

static struct binding *store_find(const struct riptides_key *key)
{
	struct binding *binding;

	hash_for_each_possible(table, binding, node, key_hash(key)) {
		if (key_equal(&binding->key, key))
			return binding;
	}
	return NULL;
}

static void content_free(struct content *content)
{
	if (content)
		kfree_sensitive(content);
}

/* Takes the content out; store_lock is held for writing. Returns whether there was one. */
static bool binding_forget(struct binding *binding)
{
	struct content *content = binding->content;

	binding->content = NULL;
	content_free(content);
	return content;
}

/* Finds or creates the binding of every staged entry with a file; a new one is not in force yet. */
static int store_prepare(struct stage *stage)
{
	struct staged *staged;
	unsigned int bucket;

	hash_for_each(stage->table, bucket, staged, node) {
		if (!(staged->delivery & RIPTIDES_DELIVER_FILE))
			continue;
		staged->binding = store_find(&staged->key);
		if (!staged->binding) {
			staged->binding = binding_files_add(&staged->key);
			if (IS_ERR(staged->binding)) {
				int err = PTR_ERR(staged->binding);

				staged->binding = NULL;
				return err;
			}
			staged->created = true;
		}
		staged->binding->staged = true;
	}
	return 0;
}

static void store_undo(struct stage *stage)
{
	struct staged *staged;
	unsigned int bucket;

	hash_for_each(stage->table, bucket, staged, node) {
		if (!staged->binding)
			continue;
		staged->binding->staged = false;
		if (staged->created)
			binding_files_remove(staged->binding);
	}
}

static void store_leave(struct binding *binding, struct hlist_head *left)
{
	hash_del(&binding->node);
	hlist_add_head(&binding->node, left);
	identity_put(binding->identity);
	binding->identity = NULL;
	if (binding_forget(binding))
		atomic64_inc(&health.wiped);
}

static void store_enter(struct staged *staged)
{
	struct binding *binding = staged->binding;

	binding->staged = false;
	identity_put(binding->identity);
	binding->identity = identity_get(staged->identity);
	if (staged->created)
		hash_add(table, &binding->node, key_hash(&binding->key));
}

/*
 * Puts the new tables in force; collects the bindings that left and returns
 * the table of injections there was.
 */
static struct wire_table *store_swap(struct stage *stage, struct wire_table *wire,
				     struct hlist_head *left)
{
	struct hlist_node *next;
	struct binding *binding;
	struct staged *staged;
	unsigned int bucket;

	down_write(&store_lock);
	hash_for_each_safe(table, bucket, next, binding, node) {
		if (!binding->staged)
			store_leave(binding, left);
	}
	hash_for_each(stage->table, bucket, staged, node) {
		if (staged->binding)
			store_enter(staged);
	}
	wire = wire_swap(wire);
	generation = stage->generation;
	binding_count = stage->staged;
	injection_count = stage->injections;
	up_write(&store_lock);
	return wire;
}

static void store_remove(struct hlist_head *left)
{
	struct hlist_node *next;
	struct binding *binding;

	hlist_for_each_entry_safe(binding, next, left, node) {
		hlist_del(&binding->node);
		kernfs_notify(binding->file);
		binding_files_remove(binding);
	}
}

int store_commit(struct stage *stage, u64 wanted)
{
	struct wire_table *wire;
	HLIST_HEAD(left);
	int err;

	if (!stage_is_complete(stage, wanted))
		return -EINVAL;
	mutex_lock(&store_mutex);
	wire = wire_prepare(stage);
	err = PTR_ERR_OR_ZERO(wire);
	if (!err) {
		err = store_prepare(stage);
		if (err)
			store_undo(stage);
		else
			wire = store_swap(stage, wire, &left);
		store_remove(&left);
		wire_discard(wire);
	}
	mutex_unlock(&store_mutex);
	return err;
}

/* An expiry in Unix time as boot time; -EKEYEXPIRED, -EINVAL. */
static int expiry_of(u64 expires_at_ms, ktime_t *expires)
{
	u64 now_ms = ktime_to_ms(ktime_get_real());

	if (expires_at_ms <= now_ms)
		return -EKEYEXPIRED;
	if (expires_at_ms - now_ms > RIPTIDES_LIFETIME_MAX)
		return -EINVAL;
	*expires = ktime_add(ktime_get_boottime(), ms_to_ktime(expires_at_ms - now_ms));
	return 0;
}

int store_publish(const struct riptides_key *key, u64 expires_at_ms, const u8 *bytes,
		  size_t length)
{
	struct content *content;
	struct binding *binding;
	ktime_t expires;
	bool replaced;
	int err;

	err = expiry_of(expires_at_ms, &expires);
	if (err)
		return err;
	content = kmalloc(struct_size(content, bytes, length), GFP_KERNEL);
	if (!content)
		return -ENOMEM;
	content->expires = expires;
	content->length = length;
	memcpy(content->bytes, bytes, length);

	mutex_lock(&store_mutex);
	binding = store_find(key);
	if (!binding) {
		mutex_unlock(&store_mutex);
		content_free(content);
		return -ENOENT;
	}
	down_write(&store_lock);
	replaced = binding_forget(binding);
	binding->content = content;
	binding->expired = false;
	binding->revision++;
	up_write(&store_lock);
	if (replaced)
		atomic64_inc(&health.wiped);
	kernfs_notify(binding->file);
	mutex_unlock(&store_mutex);
	expiry_review();
	return 0;
}

int store_publish_secret(const struct riptides_key *key, u64 expires_at_ms,
			 struct secret *secret)
{
	int err = expiry_of(expires_at_ms, &secret->expires);

	if (err) {
		secret_put(secret);
		return err;
	}
	mutex_lock(&store_mutex);
	err = wire_publish(key, secret);
	mutex_unlock(&store_mutex);
	if (!err)
		expiry_review();
	return err;
}

int store_wipe(const struct riptides_key *key)
{
	struct binding *binding;
	int err;

	mutex_lock(&store_mutex);
	err = wire_wipe(key);
	binding = store_find(key);
	if (binding) {
		down_write(&store_lock);
		if (binding_forget(binding))
			atomic64_inc(&health.wiped);
		binding->expired = false;
		up_write(&store_lock);
		kernfs_notify(binding->file);
		err = 0;
	}
	mutex_unlock(&store_mutex);
	return err;
}

ktime_t store_expire(void)
{
	ktime_t now = ktime_get_boottime(), next = KTIME_MAX;
	struct binding *binding;
	unsigned int bucket;

	down_write(&store_lock);
	hash_for_each(table, bucket, binding, node) {
		if (!binding->content)
			continue;
		if (ktime_after(binding->content->expires, now)) {
			next = min(next, binding->content->expires);
			continue;
		}
		binding_forget(binding);
		binding->expired = true;
		atomic64_inc(&health.expired);
		events_push(RIPTIDES_EXPIRE, &binding->key, NULL, binding->revision, 0);
		kernfs_notify(binding->file);
	}
	next = min(next, wire_expire(now));
	up_write(&store_lock);
	return next;
}

struct identity *store_identity(struct binding *binding, struct reading *reading)
{
	struct identity *identity;

	down_read(&store_lock);
	reading->revision = binding->revision;
	identity = binding->identity;
	if (identity)
		kref_get(&identity->ref);
	up_read(&store_lock);
	return identity;
}

static ssize_t content_copy(struct binding *binding, struct reading *reading)
{
	const struct content *content = binding->content;
	unsigned long snapshot;
	size_t length;

	if (!content || !ktime_after(content->expires, ktime_get_boottime())) {
		reading->reason = content || binding->expired ? RIPTIDES_DENY_EXPIRED :
								RIPTIDES_DENY_EMPTY;
		return reading->reason == RIPTIDES_DENY_EXPIRED ? -EKEYEXPIRED : -ENODATA;
	}
	snapshot = binding->revision << SNAPSHOT_LENGTH_BITS | content->length;
	if (!reading->offset || !*reading->snapshot)
		*reading->snapshot = snapshot;
	if (*reading->snapshot != snapshot)
		return -ESTALE;
	if (reading->offset >= content->length)
		return 0;
	length = min_t(size_t, reading->size, content->length - reading->offset);
	memcpy(reading->buffer, content->bytes + reading->offset, length);
	return length;
}

ssize_t store_read(struct binding *binding, const struct identity *identity,
		   struct reading *reading)
{
	unsigned long shown = *reading->snapshot & (BIT(SNAPSHOT_LENGTH_BITS) - 1);
	ssize_t result;

	down_read(&store_lock);
	reading->revision = binding->revision;
	if (binding->identity != identity)
		result = -EAGAIN;
	else if (*reading->snapshot && reading->offset && reading->offset >= shown)
		result = 0;	/* all of it was read: what has changed since does not matter */
	else
		result = content_copy(binding, reading);
	up_read(&store_lock);
	return result;
}

struct store_size store_size(void)
{
	struct store_size size = {};
	struct binding *binding;
	unsigned int bucket;

	down_read(&store_lock);
	size.generation = generation;
	size.bindings = binding_count;
	size.injections = injection_count;
	hash_for_each(table, bucket, binding, node)
		size.contents += !!binding->content;
	up_read(&store_lock);
	return size;
}

void store_exit(void)
{
	static struct stage nothing;
	struct wire_table *wire;
	HLIST_HEAD(left);

	mutex_lock(&store_mutex);
	wire = store_swap(&nothing, NULL, &left);
	store_remove(&left);
	wire_discard(wire);
	mutex_unlock(&store_mutex);
}
