/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_STORE_H
#define RIPTIDES_STORE_H

#include <linux/hashtable.h>
#include <linux/kobject.h>
#include <linux/ktime.h>
#include "events.h"
#include "uapi/riptides.h"

struct identity;
struct kernfs_node;
struct secret;
struct stage;
struct workload;

/* A secret. Owned by its binding, changed and freed under store_lock only. */
struct content {
	ktime_t expires;	/* boot time: steps of the wall clock do not move it */
	size_t length;
	u8 bytes[];
};

/* A binding with a file: one crb-<name> directory; its kobject owns the memory. */
struct binding {
	struct kobject kobj;
	struct riptides_key key;	/* constant */
	struct workload *workload;	/* owned reference, files.c */
	struct kernfs_node *file;	/* owned reference: vault.json */

	struct hlist_node node;		/* table: store_mutex to change, or store_lock */
	bool staged;			/* store_mutex: is in the table to come */

	struct identity *identity;	/* store_lock, owned; NULL: not in force */
	struct content *content;	/* store_lock, owned; NULL: none */
	bool expired;			/* store_lock: content was wiped by its expiry */
	u64 revision;			/* store_lock: contents so far */

	struct seen granted, denied;
};

/* Puts the staged table in force, of files and of injections, in one step. */
int store_commit(struct stage *stage, u64 generation);

int store_publish(const struct riptides_key *key, u64 expires_at_ms, const u8 *bytes,
		  size_t length);

/* Takes over the secret, also when it fails. */
int store_publish_secret(const struct riptides_key *key, u64 expires_at_ms,
			 struct secret *secret);

/* Forgets content and secret. */
int store_wipe(const struct riptides_key *key);

/* Wipes what has reached its end; returns the next end, KTIME_MAX when there is none. */
ktime_t store_expire(void);

/* One reading of a content: what has been shown through one open file. */
struct reading {
	unsigned long *snapshot;	/* kept with the open file, 0 at open */
	char *buffer;
	loff_t offset;
	size_t size;
	u64 revision;			/* result */
	u32 reason;			/* result: why there is no content */
};

/*
 * The identity in force, with a reference; NULL when the binding is not in the
 * table. Notes the revision that is being asked for.
 */
struct identity *store_identity(struct binding *binding, struct reading *reading);

/*
 * Copies content while the identity is in force. Returns bytes copied, 0 at
 * the end, -EAGAIN when another identity is in force by now, -ESTALE when the
 * content changed before all of it was read, -ENODATA or -EKEYEXPIRED.
 */
ssize_t store_read(struct binding *binding, const struct identity *identity,
		   struct reading *reading);

struct store_size {
	u64 generation;
	u32 bindings;		/* of either delivery */
	u32 contents;
	u32 injections;
};

struct store_size store_size(void);

/* Removes every binding and wipes every content. */
void store_exit(void);

#endif
