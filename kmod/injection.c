// SPDX-License-Identifier: GPL-2.0-only
/*
 * What connections ask of the table of injections: is this process bound, to
 * what, with which secret. See wire.c for the table.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "health.h"
#include "identity.h"
#include "injection.h"
#include "wire.h"

/* Whether current is the process of one entry after the other, asked once a binding. */
struct match {
	const struct wire_table *table;
	u32 member;
	bool known, bound;
};

static bool is_bound_to(struct match *match, u32 entry)
{
	u32 member = match->table->entries[entry].member;

	if (!match->known || match->member != member) {
		match->known = true;
		match->member = member;
		match->bound = !identity_check(match->table->members[member].identity);
	}
	return match->bound;
}

bool injection_may_apply(u16 port)
{
	const struct wire_table *table;
	u32 entry, asked = U32_MAX;
	bool may = false;

	if (!wire_has_port(port))
		return false;
	rcu_read_lock();
	table = wire_peek();
	for (entry = table ? wire_first(table, port) : 0;
	     table && !may && wire_is(table, entry, port); entry++) {
		u32 member = table->entries[entry].member;

		if (member != asked)
			may = identity_may_match(table->members[member].identity);
		asked = member;
	}
	rcu_read_unlock();
	return may;
}

static bool is_host(const struct injection *injection, const char *host, size_t length)
{
	return strlen(injection->host) == length && !strncasecmp(injection->host, host, length);
}

struct injection *injection_find(u16 port, const char *host, size_t host_length)
{
	struct injection *found = ERR_PTR(-ENOENT);
	struct wire_table *table;
	struct match match = {};
	u32 entry;

	if (!wire_has_port(port))
		return found;
	table = wire_table_get();
	match.table = table;
	for (entry = table ? wire_first(table, port) : 0;
	     table && wire_is(table, entry, port); entry++) {
		struct injection *injection = table->entries[entry].injection;

		if (!is_bound_to(&match, entry))
			continue;
		found = ERR_PTR(-EACCES);
		if (is_host(injection, host, host_length)) {
			kref_get(&injection->ref);
			found = injection;
			break;
		}
	}
	wire_table_put(table);
	return found;
}

bool injection_is_bound(u16 port)
{
	/* No injection has the empty host. */
	return injection_find(port, "", 0) != ERR_PTR(-ENOENT);
}

static struct identity *identity_of(struct binding_wire *binding)
{
	struct identity *identity;

	spin_lock(&binding->lock);
	identity = binding->identity;
	if (identity)
		identity_get(identity);
	spin_unlock(&binding->lock);
	return identity;
}

int injection_check(struct injection *injection)
{
	struct binding_wire *binding = injection->binding;
	struct identity *identity;
	bool bound, same;

	/* A check may take as long as reading an executable: it counts only for what is still in force. */
	do {
		identity = identity_of(binding);
		if (!identity || !READ_ONCE(injection->table)) {
			identity_put(identity);
			return -ESTALE;
		}
		bound = !identity_check(identity);
		same = READ_ONCE(binding->identity) == identity;
		identity_put(identity);
	} while (!same);
	if (!READ_ONCE(injection->table))
		return -ESTALE;
	return bound ? 0 : -EACCES;
}

const struct riptides_key *injection_key(const struct injection *injection)
{
	return &injection->binding->key;
}

struct secret *injection_secret(struct injection *injection)
{
	struct binding_wire *binding = injection->binding;
	struct secret *secret;

	spin_lock(&binding->lock);
	secret = binding->secret;
	if (secret && ktime_after(secret->expires, ktime_get_boottime()) &&
	    secret_fits(secret, injection->scheme))
		kref_get(&secret->ref);
	else
		secret = ERR_PTR(-EACCES);
	spin_unlock(&binding->lock);
	return secret;
}

static void binding_event(struct binding_wire *binding, const struct event_process *process,
			  const struct wire_event *event)
{
	bool first;

	if (event->kind == RIPTIDES_WIRE_INJECTED)
		first = seen_first(&binding->injected, process, event->revision, MAX_JIFFY_OFFSET);
	else
		first = seen_first(&binding->other, process, event->kind, HZ);
	if (first)
		events_push_wire(&binding->key, process, event);
}

void injection_event_of(struct injection *injection, const struct event_process *process,
			enum riptides_wire_kind kind, int error, u64 revision)
{
	const struct wire_event event = {
		.kind = kind,
		.error = abs(error),
		.revision = revision,
		.port = injection->port,
		.host = injection->host,
	};

	atomic64_inc(&health.wire[kind]);
	binding_event(injection->binding, process, &event);
}

void injection_event(struct injection *injection, enum riptides_wire_kind kind, int error,
		     u64 revision)
{
	struct event_process process;

	event_process_current(&process);
	injection_event_of(injection, &process, kind, error, revision);
}

void injection_port_event(u16 port, enum riptides_wire_kind kind, int error)
{
	const struct wire_event event = {
		.kind = kind, .error = abs(error), .port = port, .host = "",
	};
	struct wire_table *table = wire_table_get();
	struct match match = { .table = table };
	struct event_process process;
	u32 entry, told = U32_MAX;

	atomic64_inc(&health.wire[kind]);
	event_process_current(&process);
	for (entry = table ? wire_first(table, port) : 0;
	     table && wire_is(table, entry, port); entry++) {
		u32 member = table->entries[entry].member;

		if (member != told && is_bound_to(&match, entry))
			binding_event(table->members[member].binding, &process, &event);
		told = member;
	}
	wire_table_put(table);
}
