// SPDX-License-Identifier: GPL-2.0-only
/* Tables in the making. Owned by one conversation, which serialises. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "identity.h"
#include "injection.h"
#include "key.h"
#include "stage.h"

struct stage *stage_begin(u64 generation, u32 count, u32 injections)
{
	struct stage *stage;

	if (count > RIPTIDES_BINDINGS_MAX || injections > RIPTIDES_INJECTIONS_MAX)
		return ERR_PTR(-ENOSPC);
	stage = kvzalloc(sizeof(*stage), GFP_KERNEL);
	if (!stage)
		return ERR_PTR(-ENOMEM);
	stage->generation = generation;
	stage->count = count;
	stage->injection_count = injections;
	hash_init(stage->table);
	return stage;
}

static struct staged *stage_find(struct stage *stage, const struct riptides_key *key)
{
	struct staged *staged;

	hash_for_each_possible(stage->table, staged, node, key_hash(key)) {
		if (key_equal(&staged->key, key))
			return staged;
	}
	return NULL;
}

int stage_add(struct stage *stage, const struct riptides_key *key, u32 delivery,
	      struct identity *identity)
{
	struct staged *staged;
	int err = -EEXIST;

	if (stage_find(stage, key))
		goto refuse;
	err = -ENOSPC;
	if (stage->staged == stage->count)
		goto refuse;
	err = -ENOMEM;
	staged = kzalloc(sizeof(*staged), GFP_KERNEL);
	if (!staged)
		goto refuse;
	staged->key = *key;
	staged->delivery = delivery;
	staged->identity = identity;
	INIT_LIST_HEAD(&staged->injections);
	hash_add(stage->table, &staged->node, key_hash(key));
	stage->staged++;
	return 0;
refuse:
	identity_put(identity);
	return err;
}

static int check_place(struct stage *stage, const struct staged *staged,
		       const struct injection *injection)
{
	struct injection *other;

	if (!staged || !(staged->delivery & RIPTIDES_DELIVER_WIRE))
		return -ENOENT;
	list_for_each_entry(other, &staged->injections, staged) {
		if (other->port == injection->port && !strcmp(other->host, injection->host))
			return -EEXIST;
	}
	return stage->injections == stage->injection_count ? -ENOSPC : 0;
}

int stage_inject(struct stage *stage, const struct riptides_key *key, struct injection *injection)
{
	struct staged *staged = stage_find(stage, key);
	int err = check_place(stage, staged, injection);

	if (err) {
		injection_put(injection);
		return err;
	}
	list_add_tail(&injection->staged, &staged->injections);
	stage->injections++;
	return 0;
}

bool stage_is_complete(const struct stage *stage, u64 generation)
{
	return stage->generation == generation && stage->staged == stage->count &&
	       stage->injections == stage->injection_count;
}

static void staged_free(struct staged *staged)
{
	struct injection *injection, *next;

	list_for_each_entry_safe(injection, next, &staged->injections, staged)
		injection_put(injection);
	identity_put(staged->identity);
	kfree(staged);
}

void stage_free(struct stage *stage)
{
	struct hlist_node *next;
	struct staged *staged;
	unsigned int bucket;

	if (!stage)
		return;
	hash_for_each_safe(stage->table, bucket, next, staged, node)
		staged_free(staged);
	kvfree(stage);
}
