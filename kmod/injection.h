/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_INJECTION_H
#define RIPTIDES_INJECTION_H

#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include "events.h"
#include "http.h"
#include "uapi/riptides.h"

struct binding_wire;
struct wire_table;

/*
 * One INJECTION in force or once in force. Counted; immutable from scheme on.
 * A COMMIT that stages the same one again keeps it.
 */
struct injection {
	struct kref ref;
	struct list_head staged;	/* while it is staged: stage.c */
	struct list_head node;		/* store_mutex: of the binding, while in force */
	const struct wire_table *table;	/* store_mutex to change; NULL: not in force */
	struct binding_wire *binding;	/* owned reference: identity, secret, key */
	u32 scheme;
	u16 port;
	u32 body_max;			/* bytes */
	u32 handshake_ms;		/* never 0 */
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

void injection_put(struct injection *injection);	/* any context; may be NULL */

/* Of the binding; constant while the reference is held. */
const struct riptides_key *injection_key(const struct injection *injection);

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
 * May sleep. After ESTALE injection_find() tells what is in force now; its host
 * and trust must be those that the connection was made with.
 */
int injection_check(struct injection *injection);

/*
 * The values of a SECRET: of the header, or access key, secret key and session
 * token. Counted; wiped with the last reference.
 */
struct secret {
	struct kref ref;
	ktime_t expires;		/* boot time */
	u64 revision;
	u32 lengths[4];
	const char *values[4];		/* NUL-terminated, into bytes */
	char bytes[];
};

/*
 * The live secret with a reference; ERR_PTR(-EACCES) when there is none, it has
 * ended or it is of the other scheme. Any context.
 */
struct secret *injection_secret(struct injection *injection);
void secret_put(struct secret *secret);	/* any context; may be NULL */

/*
 * Counts, and makes a WIRE event unless the same one was made a moment ago.
 * Process context, of the process that the event is about. error: an errno of
 * either sign, 0 for none. revision: of the secret that was sent, else 0.
 */
void injection_event(struct injection *injection, enum riptides_wire_kind kind, int error,
		     u64 revision);

/* The same for a work that acts for a process: see event_process_current(). */
void injection_event_of(struct injection *injection, const struct event_process *process,
			enum riptides_wire_kind kind, int error, u64 revision);

/*
 * The same where no injection is known yet: for every binding of current on
 * this port, checked in full; may sleep. Counts once.
 */
void injection_port_event(u16 port, enum riptides_wire_kind kind, int error);

#endif
