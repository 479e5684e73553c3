/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of injections and their secrets; injection.h is what connections use of it. */
#ifndef RIPTIDES_WIRE_H
#define RIPTIDES_WIRE_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include "events.h"
#include "injection.h"
#include "uapi/riptides.h"

struct identity;
struct stage;

/* A binding that is delivered on the wire. Counted. */
struct binding_wire {
	struct kref ref;
	struct riptides_key key;	/* constant */
	struct hlist_node node;		/* bindings: store_mutex to change, or store_lock */
	struct list_head injections;	/* store_mutex: those in force */
	const struct wire_table *table;	/* store_mutex; NULL: not in force */

	spinlock_t lock;		/* a leaf, for the next three */
	struct identity *identity;	/* owned; NULL: not in force */
	struct secret *secret;		/* owned; NULL: none */
	u64 revision;			/* secrets so far */

	struct seen injected, other;
};

/* What is known of a binding at the time of a table. */
struct wire_member {
	struct binding_wire *binding;	/* owned reference */
	struct identity *identity;	/* owned reference */
};

struct wire_entry {
	struct injection *injection;	/* owned reference */
	u32 member;
};

/* Immutable once it is published; read under RCU, or with a reference. */
struct wire_table {
	struct kref ref;
	u32 member_count, entry_count;
	struct wire_member *members;	/* owned */
	struct wire_entry entries[];	/* by port, then member */
};

/* Ports that some injection names. A port is set before its table is seen. */
extern unsigned long wire_ports[BITS_TO_LONGS(U16_MAX + 1)];

static inline bool wire_has_port(u16 port)
{
	return unlikely(test_bit(port, wire_ports));
}

/* The table in force, or NULL. The caller holds rcu_read_lock(). */
const struct wire_table *wire_peek(void);

/* The same with a reference. */
struct wire_table *wire_table_get(void);
void wire_table_put(struct wire_table *table);	/* may be NULL */

/* The entries of a port: `for (e = wire_first(t, p); wire_is(t, e, p); e++)`. */
u32 wire_first(const struct wire_table *table, u16 port);

static inline bool wire_is(const struct wire_table *table, u32 entry, u16 port)
{
	return entry < table->entry_count && table->entries[entry].injection->port == port;
}

void wire_put(struct binding_wire *binding);	/* may be NULL */

/* Copies an INJECTION off the wire; ERR_PTR(-EBADMSG, -EINVAL, -ENOMEM). */
struct injection *injection_parse(const struct riptides_injection *frame, u32 rule_count);
bool injection_is_same(const struct injection *a, const struct injection *b);

/* Copies a SECRET off the wire, without expiry; ERR_PTR(-EMSGSIZE, -EINVAL, -ENOMEM). */
struct secret *secret_parse(const struct riptides_secret *frame, size_t length);
bool secret_fits(const struct secret *secret, u32 scheme);

/*
 * For store.c, which holds store_mutex over all that follow and store_lock
 * where it is named.
 */

/* Makes the table that the stage describes; nothing of it is in force. ERR_PTR(-ENOMEM). */
struct wire_table *wire_prepare(const struct stage *stage);

/*
 * Puts the table (NULL: nothing) in force and returns the one before, for
 * wire_discard(). Secrets of bindings that leave are wiped. store_lock is held.
 */
struct wire_table *wire_swap(struct wire_table *table);

/* Gives up a table that wire_prepare() or wire_swap() returned; may be NULL. Sleeps. */
void wire_discard(struct wire_table *table);

/* Publishes the secret, which is taken over also on failure. -ENOENT. */
int wire_publish(const struct riptides_key *key, struct secret *secret);

/* -ENOENT */
int wire_wipe(const struct riptides_key *key);

/* Wipes secrets that have ended; returns the next end, or KTIME_MAX. store_lock is enough. */
ktime_t wire_expire(ktime_t now);

#endif
