/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_INJECTION_H
#define RIPTIDES_INJECTION_H

#include <linux/kref.h>
#include <linux/rcupdate.h>
#include "http.h"
#include "uapi/riptides.h"

struct binding_wire;

/* One INJECTION in force or once in force. Counted; immutable. */
struct injection {
	struct kref ref;
	struct rcu_head rcu;
	struct binding_wire *binding;	/* owned reference: identity, secret, key */
	u32 scheme;
	u16 port;
	u32 body_max;			/* bytes */
	u32 handshake_ms;
	char host[RIPTIDES_HOST_SIZE];
	char trust[RIPTIDES_TRUST_SIZE];
	char header_name[RIPTIDES_WORD_SIZE];
	char prefix[RIPTIDES_WORD_SIZE];
	char region[RIPTIDES_WORD_SIZE];
	char service[RIPTIDES_WORD_SIZE];
	u32 rule_count;
	struct rt_http_rule *rules;	/* owned; point into rule_texts */
	struct riptides_rule *rule_texts;
};

void injection_put(struct injection *injection);

/*
 * For the connect hook: may the current process be bound to an injection for
 * this port? Compares everything that can be compared without sleeping and
 * takes the rest for granted. Atomic context, no lock, no allocation; a port
 * that no injection names costs one load.
 */
bool injection_may_apply(u16 port);

/*
 * The injection of the current process for host and port, with a reference and
 * with its identity checked in full (may sleep, may read the executable).
 * -ENOENT: current is bound to no injection for this port. -EACCES: it is, but
 * not for this host.
 */
struct injection *injection_find(u16 port, const char *host, size_t host_length);

/* True when current is bound to some injection for this port; checked in full, may sleep. */
bool injection_is_bound(u16 port);

/*
 * Checks current against the injection again (each request): 0, -EACCES when it
 * is not the bound process, -ESTALE when the injection is no longer in force.
 */
int injection_check(struct injection *injection);

/* The values of a SECRET. Counted; wiped with the last reference. */
struct secret {
	struct kref ref;
	ktime_t expires;		/* boot time */
	u64 revision;
	u32 lengths[4];
	const char *values[4];		/* NUL-terminated, into bytes */
	char bytes[];
};

/* The live secret with a reference; -EACCES when there is none or it has ended. */
struct secret *injection_secret(struct injection *injection);
void secret_put(struct secret *secret);

/* Counts, and makes a WIRE event unless the same one was made a moment ago. */
void injection_event(struct injection *injection, enum riptides_wire_kind kind, int error,
		     u64 revision);

/* The same where no injection is known yet: for every binding of current on this port. */
void injection_port_event(u16 port, enum riptides_wire_kind kind, int error);

#endif
