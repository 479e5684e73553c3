// SPDX-License-Identifier: GPL-2.0-only
/* Life and death of a carried connection. See conn.h for its states and locks. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "conn.h"
#include "gate.h"
#include "handshake.h"
#include "health.h"
#include "transmit.h"

static LIST_HEAD(conns);
static DEFINE_SPINLOCK(conns_lock);	/* also taken by the connect hook: see conn_new() */
static struct workqueue_struct *conn_works;

int conn_buffer_grow(struct conn_buffer *buffer, u32 size)
{
	char *bytes;

	if (buffer->size >= size)
		return 0;
	bytes = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!bytes)
		return -ENOMEM;
	if (buffer->end)
		memcpy(bytes, buffer->bytes, buffer->end);
	kvfree_sensitive(buffer->bytes, buffer->size);
	buffer->bytes = bytes;
	buffer->size = size;
	return 0;
}

void conn_buffer_free(struct conn_buffer *buffer)
{
	kvfree_sensitive(buffer->bytes, buffer->size);
	memset(buffer, 0, sizeof(*buffer));
}

/* A handshake has ended, or there may be room for output. */
static void conn_work(struct work_struct *work)
{
	struct conn *conn = container_of(work, struct conn, work.work);

	/*
	 * A writer may hold the lock for as long as the peer likes, but not in
	 * HANDSHAKE, and what it leaves behind conn_unlock() looks after.
	 */
	if (!mutex_trylock(&conn->lock)) {
		if (conn_state(conn) != RIPTIDES_SO_HANDSHAKE)
			goto out;
		mutex_lock(&conn->lock);
	}
	if (!conn->released) {
		handshake_end(conn);
		if (conn->state == RIPTIDES_SO_OPEN)
			transmit_flush(conn);
	}
	conn_unlock(conn);
out:
	conn_put(conn);
}

void conn_queue(struct conn *conn, unsigned long delay)
{
	conn_get(conn);
	if (!queue_delayed_work(conn_works, &conn->work, delay))
		conn_put(conn);
}

/*
 * The wake-up that says there is room may come while the lock is held and find
 * no taker; so look again. A jiffy's delay, as the room may also be there
 * while the memory is not.
 */
void conn_unlock(struct conn *conn)
{
	bool left = !conn->released && conn->state == RIPTIDES_SO_OPEN &&
		    conn_buffer_length(&conn->out);

	mutex_unlock(&conn->lock);
	if (left && sk_stream_is_writeable(conn->sk))
		conn_queue(conn, 1);
}

/* Runs under the lock of app's wait queue, in any context. */
static int conn_hear(struct wait_queue_entry *ear, unsigned int mode, int flags, void *key)
{
	struct conn *conn = container_of(ear, struct conn, ear);
	__poll_t events = key_to_poll(key);
	unsigned long irq;

	spin_lock_irqsave(&conn->ear_lock, irq);
	if (conn->handshake.face)
		wake_up_interruptible_poll(&conn->handshake.face->wq.wait,
					   events ?: EPOLLIN | EPOLLOUT | EPOLLHUP);
	spin_unlock_irqrestore(&conn->ear_lock, irq);
	if (READ_ONCE(conn->out.end) && (!events || events & EPOLLOUT))
		conn_queue(conn, 0);
	return 0;
}

/* In the connect hook: atomic, sk is locked. */
struct conn *conn_new(struct sock *sk, struct socket *app)
{
	struct conn *conn = kzalloc(sizeof(*conn), GFP_ATOMIC | __GFP_NOWARN);
	unsigned long irq;

	if (!conn)
		return NULL;
	refcount_set(&conn->ref, 1);
	refcount_set(&conn->sockets, 1);
	mutex_init(&conn->lock);
	mutex_init(&conn->drain);
	spin_lock_init(&conn->ear_lock);
	init_waitqueue_head(&conn->settled);
	init_waitqueue_func_entry(&conn->ear, conn_hear);
	INIT_DELAYED_WORK(&conn->work, conn_work);
	handshake_init(&conn->handshake);
	conn->native = READ_ONCE(app->ops);
	conn->inner = conn->native;
	conn->app = app;
	sock_hold(sk);
	conn->sk = sk;
	conn->pid = current->tgid;
	strscpy(conn->comm, current->group_leader->comm, sizeof(conn->comm));
	gate_fill(conn);
	atomic_inc(&health.connections);
	spin_lock_irqsave(&conns_lock, irq);
	list_add_tail(&conn->node, &conns);
	spin_unlock_irqrestore(&conns_lock, irq);
	return conn;
}

void conn_put(struct conn *conn)
{
	if (!refcount_dec_and_test(&conn->ref))
		return;
	injection_put(conn->injection);
	conn_buffer_free(&conn->head);
	conn_buffer_free(&conn->hold);
	conn_buffer_free(&conn->out);
	kfree(conn->request);
	sock_put(conn->sk);
	kfree(conn);
}

void conn_leave(struct conn *conn)
{
	unsigned long irq;

	if (!refcount_dec_and_test(&conn->sockets))
		return;
	if (conn->away) {
		/* app was closed in the handshake: nobody else can close sk. */
		remove_wait_queue(&conn->app->wq.wait, &conn->ear);
		sock_release(conn->handshake.park);
		iput(conn->handshake.pin);
	}
	cancel_delayed_work_sync(&conn->handshake.timer);
	if (cancel_delayed_work_sync(&conn->work))
		conn_put(conn);
	spin_lock_irqsave(&conns_lock, irq);
	list_del(&conn->node);
	spin_unlock_irqrestore(&conns_lock, irq);
	atomic_dec(&health.connections);
	conn_put(conn);
}

void conn_wake(struct conn *conn)
{
	struct socket_wq *wq = &conn->app->wq;

	wake_up_interruptible_all(&conn->settled);
	wake_up_interruptible_poll(&wq->wait, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM |
				   EPOLLERR | EPOLLHUP);
	rcu_read_lock();
	sock_wake_async(wq, SOCK_WAKE_IO, POLL_IN);
	rcu_read_unlock();
}

void conn_classify(struct conn *conn)
{
	if (conn->classified || conn->state != RIPTIDES_SO_FIRST)
		return;
	if (!injection_is_bound(conn->port))
		conn_pass(conn);
	else if (conn->multipath)
		conn_fail(conn, RIPTIDES_WIRE_REFUSED, -EACCES);
	WRITE_ONCE(conn->classified, true);
}

void conn_pass(struct conn *conn)
{
	gate_open(conn);
	conn_buffer_free(&conn->head);
	conn_set_state(conn, RIPTIDES_SO_PASS);
	conn_wake(conn);
}

/*
 * Before TLS is up nothing of the application's is on its way, so the socket is
 * reset: what the peer still sends then meets a closed one, and cannot put an
 * error of its own in the place of ours, which SO_ERROR answers. Later, requests
 * that were sent shall arrive. Multipath TCP's socket is not TCP's.
 */
static void close_socket(struct conn *conn, bool sent, int error)
{
	if (sent || conn->multipath)
		conn->inner->shutdown(conn->app, SHUT_RDWR);
	else if (!tcp_abort(conn->sk, -error))
		return;
	WRITE_ONCE(conn->sk->sk_err, -error);
}

void conn_end(struct conn *conn, int error)
{
	bool sent = conn->state >= RIPTIDES_SO_OPEN;

	conn->error = error;
	WRITE_ONCE(conn->report, error);
	conn_set_state(conn, RIPTIDES_SO_FAIL);
	conn_buffer_free(&conn->head);
	conn_buffer_free(&conn->hold);
	conn_buffer_free(&conn->out);
	close_socket(conn, sent, error);
	if (!conn->released)
		conn_wake(conn);
}

int conn_fail(struct conn *conn, enum riptides_wire_kind kind, int error)
{
	if (conn->state == RIPTIDES_SO_FAIL)
		return error;
	conn_end(conn, error);
	if (conn->injection)
		injection_event_of(conn->injection, &conn->process, kind, error, 0);
	else
		injection_port_event(conn->port, kind, error);
	return error;
}

int conn_take_error(struct conn *conn)
{
	sock_error(conn->sk);	/* a late RST would hide ours */
	return xchg(&conn->report, -EPIPE) ?: -EPIPE;
}

void conn_set_injection(struct conn *conn, struct injection *injection)
{
	unsigned long irq;

	spin_lock_irqsave(&conns_lock, irq);
	swap(conn->injection, injection);
	spin_unlock_irqrestore(&conns_lock, irq);
	injection_put(injection);
}

void conn_each(void (*show)(const struct conn *conn, void *data), void *data)
{
	const struct conn *conn;
	unsigned long irq;

	spin_lock_irqsave(&conns_lock, irq);
	list_for_each_entry(conn, &conns, node)
		show(conn, data);
	spin_unlock_irqrestore(&conns_lock, irq);
}

int conn_init(void)
{
	conn_works = alloc_workqueue("riptides", WQ_UNBOUND, 0);
	return conn_works ? 0 : -ENOMEM;
}

/* No socket of ours lives any more: works that are left have nothing to do. */
void conn_exit(void)
{
	destroy_workqueue(conn_works);
}
