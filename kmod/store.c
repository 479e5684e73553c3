// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of bindings and their contents.
 *
 * A binding:
 *
 *   absent --COMMIT--> EMPTY --CREDENTIAL--> LIVE --CREDENTIAL--> LIVE
 *                        ^                    |  \--expiry------> EXPIRED
 *                        +-------WIPE---------+                     |
 *                        LIVE <-------------------CREDENTIAL--------+
 *   any --COMMIT without it, unload--> absent: content wiped, file gone
 *
 * Locks, outermost first:
 *   store_mutex  writers of the table, one at a time. Held over the creation
 *                and removal of sysfs entries; removal waits for readers, so
 *                no reader and no work of ours may take it.
 *   store_lock   what readers see: links of the table, identity, content,
 *                revision. A table swap is one section of it, so a reader sees
 *                the old table or the new one. Nothing sleeps on user space
 *                while it is held.
 *   then leaves: seen.lock, ring_lock.
 *
 * A reader checks an identity without a lock (it may have to read a whole
 * executable) and copies the content only if that same identity is still in
 * force, under store_lock. So after COMMIT, WIPE or CREDENTIAL has returned no
 * read gives out what it took away.
 */
#include <linux/jhash.h>
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
#include "store.h"

#define SNAPSHOT_LENGTH_BITS	13

static DEFINE_HASHTABLE(table, 10);
static DEFINE_MUTEX(store_mutex);
static DECLARE_RWSEM(store_lock);
static u64 generation;

struct staged {
	struct hlist_node node;
	struct riptides_key key;
	struct identity *identity;	/* owned until the commit takes it */
	struct binding *binding;	/* during the commit */
	bool created;
};

struct stage {
	u64 generation;
	u32 count;
	u32 staged;
	DECLARE_HASHTABLE(table, 10);
};

static_assert(RIPTIDES_CONTENT_MAX < 1 << SNAPSHOT_LENGTH_BITS);

static u32 key_hash(const struct riptides_key *key)
{
	return jhash(key, sizeof(*key), 0);
}

static bool key_equal(const struct riptides_key *a, const struct riptides_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

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

struct stage *stage_begin(u64 generation, u32 count)
{
	struct stage *stage;

	if (count > RIPTIDES_BINDINGS_MAX)
		return ERR_PTR(-ENOSPC);
	stage = kvzalloc(sizeof(*stage), GFP_KERNEL);
	if (!stage)
		return ERR_PTR(-ENOMEM);
	stage->generation = generation;
	stage->count = count;
	hash_init(stage->table);
	return stage;
}

/* Takes over the identity, also when it fails. */
int stage_add(struct stage *stage, const struct riptides_key *key, struct identity *identity)
{
	struct staged *staged;
	int err = -EEXIST;

	hash_for_each_possible(stage->table, staged, node, key_hash(key)) {
		if (key_equal(&staged->key, key))
			goto refuse;
	}
	err = -ENOSPC;
	if (stage->staged == stage->count)
		goto refuse;
	err = -ENOMEM;
	staged = kzalloc(sizeof(*staged), GFP_KERNEL);
	if (!staged)
		goto refuse;
	staged->key = *key;
	staged->identity = identity;
	hash_add(stage->table, &staged->node, key_hash(key));
	stage->staged++;
	return 0;
refuse:
	identity_put(identity);
	return err;
}

void stage_free(struct stage *stage)
{
	struct hlist_node *next;
	struct staged *staged;
	unsigned int bucket;

	if (!stage)
		return;
	hash_for_each_safe(stage->table, bucket, next, staged, node) {
		identity_put(staged->identity);
		kfree(staged);
	}
	kvfree(stage);
}

/* Finds or creates the binding of every staged entry; a new one is not in force yet. */
static int stage_prepare(struct stage *stage)
{
	struct staged *staged;
	unsigned int bucket;

	hash_for_each(stage->table, bucket, staged, node) {
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

static void stage_undo(struct stage *stage)
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

/* Puts the new table in force and collects those that left it. */
static void store_swap(struct stage *stage, struct hlist_head *left)
{
	struct hlist_node *next;
	struct binding *binding;
	struct staged *staged;
	unsigned int bucket;

	down_write(&store_lock);
	hash_for_each_safe(table, bucket, next, binding, node) {
		if (binding->staged)
			continue;
		hash_del(&binding->node);
		hlist_add_head(&binding->node, left);
		identity_put(binding->identity);
		binding->identity = NULL;
		if (binding_forget(binding))
			atomic64_inc(&health.wiped);
	}
	hash_for_each(stage->table, bucket, staged, node) {
		binding = staged->binding;
		binding->staged = false;
		swap(binding->identity, staged->identity);
		if (staged->created)
			hash_add(table, &binding->node, key_hash(&binding->key));
	}
	generation = stage->generation;
	up_write(&store_lock);
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

int stage_commit(struct stage *stage, u64 wanted)
{
	HLIST_HEAD(left);
	int err;

	if (stage->generation != wanted || stage->staged != stage->count)
		return -EINVAL;
	mutex_lock(&store_mutex);
	err = stage_prepare(stage);
	if (err) {
		stage_undo(stage);
	} else {
		store_swap(stage, &left);
		store_remove(&left);
	}
	mutex_unlock(&store_mutex);
	return err;
}

int store_publish(const struct riptides_key *key, u64 expires_at_ms, const u8 *bytes,
		  size_t length)
{
	u64 now_ms = ktime_to_ms(ktime_get_real());
	struct content *content;
	struct binding *binding;
	bool replaced;

	if (expires_at_ms <= now_ms)
		return -EKEYEXPIRED;
	if (expires_at_ms - now_ms > RIPTIDES_LIFETIME_MAX)
		return -EINVAL;
	content = kmalloc(struct_size(content, bytes, length), GFP_KERNEL);
	if (!content)
		return -ENOMEM;
	content->expires = ktime_add(ktime_get_boottime(), ms_to_ktime(expires_at_ms - now_ms));
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

int store_wipe(const struct riptides_key *key)
{
	struct binding *binding;
	int err = -ENOENT;

	mutex_lock(&store_mutex);
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
		events_push(RIPTIDES_EXPIRE, &binding->key, binding->revision, 0);
		kernfs_notify(binding->file);
	}
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
	hash_for_each(table, bucket, binding, node) {
		size.bindings++;
		size.contents += !!binding->content;
	}
	up_read(&store_lock);
	return size;
}

void store_exit(void)
{
	static struct stage nothing;
	HLIST_HEAD(left);

	mutex_lock(&store_mutex);
	store_swap(&nothing, &left);
	store_remove(&left);
	mutex_unlock(&store_mutex);
}
