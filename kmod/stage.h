/* SPDX-License-Identifier: GPL-2.0-only */
/* A table in the making: what came between BEGIN and COMMIT. */
#ifndef RIPTIDES_STAGE_H
#define RIPTIDES_STAGE_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include "uapi/riptides.h"

struct binding;
struct identity;
struct injection;

struct staged {
	struct hlist_node node;
	struct riptides_key key;
	u32 delivery;			/* enum riptides_delivery */
	struct identity *identity;	/* owned */
	struct list_head injections;	/* owned */

	struct binding *binding;	/* during the commit, if it has a file */
	bool created;
};

struct stage {
	u64 generation;
	u32 count, injection_count;	/* announced */
	u32 staged, injections;
	DECLARE_HASHTABLE(table, 10);
};

/* ERR_PTR(-ENOSPC, -ENOMEM) */
struct stage *stage_begin(u64 generation, u32 count, u32 injections);

/* Takes over the identity, also when it fails. -EEXIST, -ENOSPC, -ENOMEM. */
int stage_add(struct stage *stage, const struct riptides_key *key, u32 delivery,
	      struct identity *identity);

/* Takes over the injection, also when it fails. -ENOENT, -EEXIST, -ENOSPC. */
int stage_inject(struct stage *stage, const struct riptides_key *key,
		 struct injection *injection);

/* Everything that was announced is there, for this generation. */
bool stage_is_complete(const struct stage *stage, u64 generation);

void stage_free(struct stage *stage);	/* may be NULL */

#endif
