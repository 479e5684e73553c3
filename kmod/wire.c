// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of injections.
 *
 * A COMMIT makes a whole new table and publishes it by one pointer under RCU:
 * the connect hook reads it without a lock, who may sleep takes a reference.
 * Bindings and injections that stay are carried over, the injections to keep
 * connections undisturbed, the bindings to keep their secrets.
 *
 * Locks: store_mutex and store_lock as store.c says; binding->lock is a leaf
 * under them. A secret is changed under binding->lock and used by reference, so
 * who has one may use it a moment longer than it is in force.
 */
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "health.h"
#include "identity.h"
#include "key.h"
#include "stage.h"
#include "wire.h"

unsigned long wire_ports[BITS_TO_LONGS(U16_MAX + 1)];

static DEFINE_HASHTABLE(bindings, 10);
static struct wire_table __rcu *in_force;

const struct wire_table *wire_peek(void)
{
	return rcu_dereference(in_force);
}

struct wire_table *wire_table_get(void)
{
	struct wire_table *table;

	/* The publisher's own reference is dropped a grace period later. */
	rcu_read_lock();
	table = rcu_dereference(in_force);
	if (table)
		kref_get(&table->ref);
	rcu_read_unlock();
	return table;
}

static void wire_table_release(struct kref *ref)
{
	struct wire_table *table = container_of(ref, struct wire_table, ref);
	u32 i;

	for (i = 0; i < table->entry_count; i++)
		injection_put(table->entries[i].injection);
	for (i = 0; i < table->member_count; i++) {
		identity_put(table->members[i].identity);
		wire_put(table->members[i].binding);
	}
	kvfree(table->members);
	kvfree(table);
}

void wire_table_put(struct wire_table *table)
{
	if (table)
		kref_put(&table->ref, wire_table_release);
}

u32 wire_first(const struct wire_table *table, u16 port)
{
	u32 low = 0, high = table->entry_count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (table->entries[middle].injection->port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct binding_wire *wire_find(const struct riptides_key *key)
{
	struct binding_wire *binding;

	hash_for_each_possible(bindings, binding, node, key_hash(key)) {
		if (key_equal(&binding->key, key))
			return binding;
	}
	return NULL;
}

static struct binding_wire *wire_new(const struct riptides_key *key)
{
	struct binding_wire *binding = kzalloc(sizeof(*binding), GFP_KERNEL);

	if (!binding)
		return NULL;
	kref_init(&binding->ref);
	binding->key = *key;
	INIT_HLIST_NODE(&binding->node);
	INIT_LIST_HEAD(&binding->injections);
	spin_lock_init(&binding->lock);
	seen_init(&binding->injected);
	seen_init(&binding->other);
	return binding;
}

static void wire_release(struct kref *ref)
{
	struct binding_wire *binding = container_of(ref, struct binding_wire, ref);

	identity_put(binding->identity);
	secret_put(binding->secret);
	kfree(binding);
}

void wire_put(struct binding_wire *binding)
{
	if (binding)
		kref_put(&binding->ref, wire_release);
}

/* The secret is replaced, by none if NULL; returns whether there was one. */
static bool wire_replace(struct binding_wire *binding, struct secret *secret)
{
	struct secret *old;

	spin_lock(&binding->lock);
	old = binding->secret;
	binding->secret = secret;
	if (secret)
		secret->revision = ++binding->revision;
	spin_unlock(&binding->lock);
	secret_put(old);
	return old;
}

/* The same injection as it is in force, or the staged one; with a reference. */
static struct injection *carry_over(struct binding_wire *binding, struct injection *staged)
{
	struct injection *injection;

	list_for_each_entry(injection, &binding->injections, node) {
		if (injection_is_same(injection, staged)) {
			kref_get(&injection->ref);
			return injection;
		}
	}
	kref_get(&binding->ref);
	staged->binding = binding;
	kref_get(&staged->ref);
	return staged;
}

static int prepare_member(struct wire_table *table, const struct staged *staged)
{
	struct binding_wire *binding = wire_find(&staged->key);
	struct injection *injection;
	struct wire_member *member;
	struct wire_entry *entry;

	if (binding)
		kref_get(&binding->ref);
	else
		binding = wire_new(&staged->key);
	if (!binding)
		return -ENOMEM;
	member = &table->members[table->member_count];
	member->binding = binding;
	member->identity = identity_get(staged->identity);
	list_for_each_entry(injection, &staged->injections, staged) {
		entry = &table->entries[table->entry_count++];
		entry->injection = carry_over(binding, injection);
		entry->member = table->member_count;
	}
	table->member_count++;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct wire_entry *left = a, *right = b;

	if (left->injection->port != right->injection->port)
		return left->injection->port < right->injection->port ? -1 : 1;
	return left->member < right->member ? -1 : left->member > right->member;
}

struct wire_table *wire_prepare(const struct stage *stage)
{
	struct wire_table *table;
	struct staged *staged;
	unsigned int bucket;
	int err = 0;

	table = kvzalloc(struct_size(table, entries, stage->injections), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	kref_init(&table->ref);
	table->members = kvcalloc(max(stage->staged, 1U), sizeof(*table->members), GFP_KERNEL);
	if (!table->members)
		err = -ENOMEM;
	hash_for_each(stage->table, bucket, staged, node) {
		if (!err && staged->delivery & RIPTIDES_DELIVER_WIRE)
			err = prepare_member(table, staged);
	}
	if (err) {
		wire_table_put(table);
		return ERR_PTR(err);
	}
	sort(table->entries, table->entry_count, sizeof(table->entries[0]), compare_entries, NULL);
	return table;
}

static void enter_member(struct wire_table *table, struct wire_member *member)
{
	struct binding_wire *binding = member->binding;
	struct identity *identity = identity_get(member->identity);

	spin_lock(&binding->lock);
	swap(binding->identity, identity);
	spin_unlock(&binding->lock);
	identity_put(identity);
	if (!binding->table)
		hash_add(bindings, &binding->node, key_hash(&binding->key));
	binding->table = table;
}

static void leave_member(struct wire_member *member)
{
	struct binding_wire *binding = member->binding;
	struct identity *identity;

	spin_lock(&binding->lock);
	identity = binding->identity;
	binding->identity = NULL;
	spin_unlock(&binding->lock);
	identity_put(identity);
	hash_del(&binding->node);
	binding->table = NULL;
	if (wire_replace(binding, NULL))
		atomic64_inc(&health.wiped);
}

static void enter_table(struct wire_table *table)
{
	u32 i;

	for (i = 0; i < table->member_count; i++)
		enter_member(table, &table->members[i]);
	for (i = 0; i < table->entry_count; i++) {
		struct injection *injection = table->entries[i].injection;

		if (!injection->table)
			list_add_tail(&injection->node, &injection->binding->injections);
		WRITE_ONCE(injection->table, table);
		set_bit(injection->port, wire_ports);
	}
}

/* What did not go over to `table` is no longer in force. */
static void leave_table(struct wire_table *old, const struct wire_table *table)
{
	u32 i;

	for (i = 0; i < old->entry_count; i++) {
		struct injection *injection = old->entries[i].injection;
		u16 port = injection->port;

		if (injection->table == old) {
			list_del_init(&injection->node);
			WRITE_ONCE(injection->table, NULL);
		}
		if (!table || !wire_is(table, wire_first(table, port), port))
			clear_bit(port, wire_ports);
	}
	for (i = 0; i < old->member_count; i++)
		if (old->members[i].binding->table == old)
			leave_member(&old->members[i]);
}

struct wire_table *wire_swap(struct wire_table *table)
{
	struct wire_table *old = rcu_dereference_protected(in_force, true);

	if (table)
		enter_table(table);
	rcu_assign_pointer(in_force, table);
	if (old)
		leave_table(old, table);
	return old;
}

void wire_discard(struct wire_table *table)
{
	if (!table)
		return;
	if (table->entry_count)
		synchronize_rcu();
	wire_table_put(table);
}

int wire_publish(const struct riptides_key *key, struct secret *secret)
{
	struct binding_wire *binding = wire_find(key);

	if (!binding) {
		secret_put(secret);
		return -ENOENT;
	}
	if (wire_replace(binding, secret))
		atomic64_inc(&health.wiped);
	return 0;
}

int wire_wipe(const struct riptides_key *key)
{
	struct binding_wire *binding = wire_find(key);

	if (!binding)
		return -ENOENT;
	if (wire_replace(binding, NULL))
		atomic64_inc(&health.wiped);
	return 0;
}

/* Takes a secret that has ended out; its revision, 0 when there is none. */
static u64 expire_secret(struct binding_wire *binding, ktime_t now, ktime_t *next)
{
	struct secret *ended = NULL;
	u64 revision = 0;

	spin_lock(&binding->lock);
	if (binding->secret && ktime_after(binding->secret->expires, now)) {
		*next = min(*next, binding->secret->expires);
	} else if (binding->secret) {
		ended = binding->secret;
		binding->secret = NULL;
		revision = ended->revision;
	}
	spin_unlock(&binding->lock);
	secret_put(ended);
	return revision;
}

ktime_t wire_expire(ktime_t now)
{
	struct binding_wire *binding;
	ktime_t next = KTIME_MAX;
	unsigned int bucket;
	u64 revision;

	hash_for_each(bindings, bucket, binding, node) {
		revision = expire_secret(binding, now, &next);
		if (!revision)
			continue;
		atomic64_inc(&health.expired);
		events_push(RIPTIDES_EXPIRE, &binding->key, NULL, revision, 0);
	}
	return next;
}
