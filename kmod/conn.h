/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TCP socket that the module carries: its struct socket's operations are
 * ours, and what it writes as plain HTTP leaves as HTTP over kernel TLS with
 * the credential.
 *
 * States:
 *
 *   FIRST --not bound, or the first byte of TLS--> PASS
 *   FIRST --bound, Multipath TCP--> FAIL
 *   FIRST --other byte--> COLLECT --a whole head, allowed--> HANDSHAKE
 *   HANDSHAKE --keys verified in the socket, sent the head--> OPEN
 *   COLLECT, HANDSHAKE, OPEN --error--> FAIL
 *   FIRST, PASS --connect() again--> FIRST, PASS            (hook.c)
 *
 * In OPEN (and COLLECT, which only knows the first) the writer is in a phase:
 *
 *   HEAD --head, body follows--> BODY --end of body--> HEAD
 *   HEAD --signature covers the body--> HOLD --whole body--> HEAD
 *
 * Locks, outermost first:
 *   lock            everything but what says otherwise; held while a blocking
 *                   writer waits for room, so neither poll(), recv() nor the
 *                   worker waits for it in OPEN
 *   lock_sock(sk)
 *   sk_callback_lock
 *   app->wq.wait.lock > ear_lock > face->wq.wait.lock
 * upcall_lock (upcall.c) and conns_lock (conn.c) are leaves.
 * Nobody waits for a handshake, or cancels a work and waits, under `lock`.
 */
#ifndef RIPTIDES_CONN_H
#define RIPTIDES_CONN_H

#include <linux/in6.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/refcount.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include "events.h"
#include "http.h"
#include "injection.h"

enum conn_phase {
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_HOLD,
};

/* Bytes in [at, end) of an allocation of ours. Wiped before it is freed. */
struct conn_buffer {
	char *bytes;	/* owned, kvmalloc; NULL: none */
	u32 size;
	u32 at;
	u32 end;
};

/* The TLS handshake of a connection, done by the helper: handshake.c, upcall.c. */
struct handshake {
	struct proto_ops ops;		/* face->ops: handshake_of() finds us by it */
	struct socket *face;		/* ear_lock: what the helper holds; its file owns it */
	struct file *file;		/* owned until the handshake is over, then NULL */
	struct socket *park;		/* owned; owns sk while conn->away, else NULL */
	struct inode *pin;		/* owned: keeps app's wait queue after its release */
	struct delayed_work timer;
	unsigned long deadline;		/* jiffies */
	struct list_head queue;		/* upcall_lock: not read by the helper yet */
	int id;				/* upcall_lock: above 0 while it is pending */
	bool accepted;			/* upcall_lock */
	bool over;			/* set once, with `error` before it */
	int error;			/* what the helper says */
};

struct conn {
	struct proto_ops ops;		/* app->ops: conn_of() finds us by it */
	const struct proto_ops *native;	/* what app had */
	const struct proto_ops *inner;	/* native, or kernel TLS's once OPEN */
	refcount_t ref;			/* the sockets together, a pending handshake, a work */
	refcount_t sockets;		/* app and face: the last one buries sk */
	struct list_head node;		/* conns_lock */
	struct mutex lock;
	struct socket *app;		/* the application's; not owned, see `released` */
	struct sock *sk;		/* a reference for our whole life */
	struct delayed_work work;	/* ends a handshake, flushes output */

	u8 state;			/* enum riptides_so_state_value; written under lock */
	u8 phase;			/* enum conn_phase */
	bool classified;		/* whether it was asked if the process is bound */
	bool away;			/* sk belongs to handshake.park, not to app */
	bool released;			/* app is closed: touch nothing of it */
	bool ear_on;			/* ear is in app's wait queue */
	bool zerocopy;			/* app had SOCK_SUPPORT_ZC */
	bool multipath;			/* app is one of Multipath TCP: nothing can be carried */
	bool got_data;			/* data came: tickets before it are gone */
	bool got_close;			/* the peer's close_notify came */
	bool shut_read;			/* shutdown() by the application */
	bool shut_write;		/* the same, to be done once output is gone */
	u16 port;			/* destination */
	int error;			/* first one, negative; stays */
	int report;			/* what the next call tells; taken with xchg() */

	spinlock_t ear_lock;
	struct wait_queue_entry ear;	/* hears what wakes app */
	wait_queue_head_t settled;	/* writers until the handshake is over: app's hears each packet */
	struct mutex drain;		/* one reader of control records at a time: a leaf */

	struct conn_buffer head;	/* application's bytes, no secret */
	struct conn_buffer hold;	/* room for a head, then a body to be signed */
	struct conn_buffer out;		/* to be sent; may hold the credential */
	u64 out_revision;		/* of the secret in `out`; 0: none in it */
	u32 room;			/* bytes at the start of `hold` for the head */
	struct rt_http_request *request;	/* owned: of `head` */
	struct rt_http_body body;
	struct injection *injection;	/* owned reference, conn_set_injection(); or NULL */
	struct event_process process;	/* whose request it is */

	u64 requests, injections;
	struct in6_addr address;	/* destination, IPv4 mapped */
	pid_t pid;			/* that connected, in the initial namespace */
	char comm[TASK_COMM_LEN];
	struct handshake handshake;
};

/* NULL without memory. Atomic context; app and sk are the caller's. */
struct conn *conn_new(struct sock *sk, struct socket *app);
void conn_put(struct conn *conn);

static inline void conn_get(struct conn *conn)
{
	refcount_inc(&conn->ref);
}

/* app or face is gone; the last one closes what is left. May sleep. */
void conn_leave(struct conn *conn);

/* Who sees OPEN without the lock sees `inner` of kernel TLS, too; FAIL, the error. */
static inline u8 conn_state(const struct conn *conn)
{
	/* pairs with conn_set_state() */
	return smp_load_acquire(&conn->state);
}

static inline void conn_set_state(struct conn *conn, u8 state)
{
	/* pairs with conn_state() */
	smp_store_release(&conn->state, state);
}

/* Asks once whether the process is bound; if not, the connection passes. lock is held. */
void conn_classify(struct conn *conn);

/* From here on the socket is as if we were not there, but for our memory. lock is held. */
void conn_pass(struct conn *conn);

/* Ends it with its first error. lock is held; may sleep. */
void conn_end(struct conn *conn, int error);

/* The same with an event. Returns the error. */
int conn_fail(struct conn *conn, enum riptides_wire_kind kind, int error);

/* What a call on a failed connection returns: the first error once, then EPIPE. */
int conn_take_error(struct conn *conn);

/* Wakes whoever waits on the application's socket; it is not released. */
void conn_wake(struct conn *conn);

/* Runs the worker after `delay` jiffies. Any context. */
void conn_queue(struct conn *conn, unsigned long delay);

/* Releases lock, and sees to it that output left behind is flushed. */
void conn_unlock(struct conn *conn);

/* Takes over the reference; the old one is dropped. lock is held. */
void conn_set_injection(struct conn *conn, struct injection *injection);

/* Makes room for `size` bytes, keeping those up to end. */
int conn_buffer_grow(struct conn_buffer *buffer, u32 size);
void conn_buffer_free(struct conn_buffer *buffer);

static inline u32 conn_buffer_length(const struct conn_buffer *buffer)
{
	return buffer->end - buffer->at;
}

/* Calls `show` for each live connection, under the spinlock that guards its injection. */
void conn_each(void (*show)(const struct conn *conn, void *data), void *data);

int conn_init(void);
void conn_exit(void);

#endif
