// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake runs on a socket of its own.
 *
 *   application's file -> app  (our gate)        app->sk = sk
 *   helper's file      -> face (ops below)       face->sk = sk
 *   nobody's           -> park (native ops)      sk->sk_socket = park
 *
 * face lets the helper do native I/O on sk; cut, it is dead. park is where
 * kernel TLS puts its operations, and from where it copies them: it must be
 * native, and nobody may call through it later. sk_wq stays app's all the time,
 * since threads of the application and of the helper sleep there.
 *
 * Success: sk goes back to app with park's operations, park and the helper's
 * descriptor are of no more use. Failure: sk stays with park until both app
 * and face are closed (conn_leave()), as a late setsockopt() of the helper
 * could still write operations through sk->sk_socket.
 *
 * Module references: app's is dropped by __sock_release() through ops.owner,
 * face's the same way.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <net/inet_common.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>

#include "conn.h"
#include "handshake.h"
#include "request.h"
#include "transmit.h"
#include "upcall.h"

static struct handshake *handshake_of(const struct socket *face)
{
	return container_of(face->ops, struct handshake, ops);
}

static bool is_cut(const struct socket *face)
{
	return smp_load_acquire(&handshake_of(face)->over);
}

static const struct proto_ops *park_ops(const struct socket *face)
{
	return container_of(handshake_of(face), struct conn, handshake)->native;
}

static int face_release(struct socket *face)
{
	struct handshake *handshake = handshake_of(face);
	struct conn *conn = container_of(handshake, struct conn, handshake);
	unsigned long irq;

	spin_lock_irqsave(&conn->ear_lock, irq);
	handshake->face = NULL;
	spin_unlock_irqrestore(&conn->ear_lock, irq);
	face->sk = NULL;
	conn_leave(conn);
	return 0;
}

static __poll_t face_poll(struct file *file, struct socket *face, struct poll_table_struct *wait)
{
	sock_poll_wait(file, face, wait);
	if (is_cut(face))
		return EPOLLERR | EPOLLHUP | EPOLLIN | EPOLLOUT;
	return park_ops(face)->poll(file, face, NULL);
}

static int face_sendmsg(struct socket *face, struct msghdr *message, size_t length)
{
	return is_cut(face) ? -EPIPE : inet_sendmsg(face, message, length);
}

static int face_recvmsg(struct socket *face, struct msghdr *message, size_t length, int flags)
{
	return is_cut(face) ? -EPIPE : inet_recvmsg(face, message, length, flags);
}

static int face_setsockopt(struct socket *face, int level, int option, sockptr_t value,
			   unsigned int length)
{
	if (is_cut(face) || (level == SOL_IPV6 && option == IPV6_ADDRFORM))
		return -EPIPE;
	return sock_common_setsockopt(face, level, option, value, length);
}

static int face_getsockopt(struct socket *face, int level, int option, char __user *value,
			   int __user *length)
{
	return is_cut(face) ? -EPIPE : sock_common_getsockopt(face, level, option, value, length);
}

static int face_getname(struct socket *face, struct sockaddr *address, int peer)
{
	return is_cut(face) ? -ENOTCONN : park_ops(face)->getname(face, address, peer);
}

static int face_ioctl(struct socket *face, unsigned int command, unsigned long argument)
{
	return is_cut(face) ? -EPIPE : park_ops(face)->ioctl(face, command, argument);
}

static const struct proto_ops face_operations = {
	.owner = THIS_MODULE,
	.release = face_release,
	.bind = sock_no_bind,
	.connect = sock_no_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = face_getname,
	.poll = face_poll,
	.ioctl = face_ioctl,
	.listen = sock_no_listen,
	.shutdown = sock_no_shutdown,
	.setsockopt = face_setsockopt,
	.getsockopt = face_getsockopt,
	.sendmsg = face_sendmsg,
	.recvmsg = face_recvmsg,
	.mmap = sock_no_mmap,
};

static void handshake_timeout(struct work_struct *work)
{
	struct handshake *handshake = container_of(work, struct handshake, timer.work);

	upcall_finish(handshake, -ETIMEDOUT);
}

void handshake_init(struct handshake *handshake)
{
	INIT_LIST_HEAD(&handshake->queue);
	INIT_DELAYED_WORK(&handshake->timer, handshake_timeout);
}

static struct socket *new_socket(void)
{
	struct socket *sock = sock_alloc();

	if (sock) {
		sock->type = SOCK_STREAM;
		sock->state = SS_CONNECTED;
	}
	return sock;
}

static struct lock_class_key face_wait_key;

/* face and park; nothing is left of them on failure. */
static int make_sockets(struct conn *conn)
{
	struct handshake *handshake = &conn->handshake;
	struct socket *park, *face;
	struct file *file;

	park = new_socket();
	face = new_socket();
	if (!park || !face) {
		if (park)
			sock_release(park);
		if (face)
			sock_release(face);
		return -ENFILE;
	}
	/* Releases face when it fails. */
	file = sock_alloc_file(face, 0, "riptides");
	if (IS_ERR(file)) {
		sock_release(park);
		return PTR_ERR(file);
	}
	/* conn_hear() takes this lock under that of the application's queue. */
	lockdep_set_class(&face->wq.wait.lock, &face_wait_key);
	__module_get(THIS_MODULE);
	handshake->ops = face_operations;
	handshake->ops.family = conn->native->family;
	face->sk = conn->sk;
	face->ops = &handshake->ops;
	park->sk = conn->sk;
	park->ops = conn->native;
	handshake->face = face;
	handshake->file = file;
	handshake->park = park;
	return 0;
}

/* For filters that match packets by the owner of the file: it stays the application. */
static void set_owner(struct conn *conn, struct socket *owner, struct file *park_file)
{
	write_lock_bh(&conn->sk->sk_callback_lock);
	conn->handshake.park->file = park_file;
	sk_set_socket(conn->sk, owner);
	write_unlock_bh(&conn->sk->sk_callback_lock);
}

int handshake_start(struct conn *conn)
{
	struct handshake *handshake = &conn->handshake;
	unsigned long longest = msecs_to_jiffies(conn->injection->handshake_ms);
	int err = make_sockets(conn);

	if (err)
		return conn_fail(conn, RIPTIDES_WIRE_HANDSHAKE, err);
	refcount_inc(&conn->sockets);
	add_wait_queue(&conn->app->wq.wait, &conn->ear);
	conn->ear_on = true;
	lock_sock(conn->sk);
	set_owner(conn, handshake->park, conn->app->file);
	release_sock(conn->sk);
	conn->away = true;
	conn_set_state(conn, RIPTIDES_SO_HANDSHAKE);
	handshake->deadline = jiffies + longest;
	err = upcall_submit(handshake);
	if (!err) {
		schedule_delayed_work(&handshake->timer, longest);
		return 0;
	}
	handshake->error = err;
	smp_store_release(&handshake->over, true);
	fput(handshake->file);
	handshake->file = NULL;
	return conn_fail(conn, RIPTIDES_WIRE_HANDSHAKE, err);
}

/* Both directions in kernel TLS 1.3, in software: a device would see and keep plain text. */
static bool has_keys(struct sock *sk)
{
	const struct tcp_ulp_ops *ulp = inet_csk(sk)->icsk_ulp_ops;
	const struct tls_context *tls;

	if (!ulp || strcmp(ulp->name, "tls"))
		return false;
	tls = tls_get_ctx(sk);
	return tls && tls->tx_conf == TLS_SW && tls->rx_conf == TLS_SW &&
	       tls->crypto_send.info.version == TLS_1_3_VERSION &&
	       tls->crypto_recv.info.version == TLS_1_3_VERSION;
}

static int give_back(struct conn *conn)
{
	struct socket *park = conn->handshake.park;
	struct sock *sk = conn->sk;
	int err = -EPROTO;

	lock_sock(sk);
	if (has_keys(sk) && park->ops != conn->native) {
		conn->inner = park->ops;
		set_owner(conn, conn->app, NULL);
		err = 0;
	}
	release_sock(sk);
	if (err)
		return err;
	conn->away = false;
	conn->handshake.park = NULL;
	park->sk = NULL;
	park->ops = NULL;
	sock_release(park);
	return 0;
}

/* The first request leaves. */
static void open_up(struct conn *conn)
{
	conn_set_state(conn, RIPTIDES_SO_OPEN);
	if (conn->shut_read)
		conn->inner->shutdown(conn->app, SHUT_RD);
	if (!request_send(conn))
		transmit_flush(conn);
	conn_wake(conn);
}

void handshake_end(struct conn *conn)
{
	struct handshake *handshake = &conn->handshake;
	int err;

	if (!smp_load_acquire(&handshake->over) || !handshake->file)
		return;
	err = handshake->error;
	cancel_delayed_work(&handshake->timer);
	if (!err && conn->state == RIPTIDES_SO_HANDSHAKE)
		err = give_back(conn);
	fput(handshake->file);
	handshake->file = NULL;
	if (conn->state != RIPTIDES_SO_HANDSHAKE)
		return;
	if (err && err != -ETIMEDOUT && err != -EHOSTDOWN)
		err = -EPROTO;
	if (err)
		conn_fail(conn, RIPTIDES_WIRE_HANDSHAKE, err);
	else
		open_up(conn);
}

void handshake_abandon(struct conn *conn)
{
	conn->handshake.pin = igrab(SOCK_INODE(conn->app));
	set_owner(conn, conn->handshake.park, NULL);
	if (conn->state != RIPTIDES_SO_FAIL)
		kernel_sock_shutdown(conn->handshake.park, SHUT_RDWR);
	conn_set_state(conn, RIPTIDES_SO_FAIL);
}

void handshake_cancel(struct conn *conn)
{
	struct handshake *handshake = &conn->handshake;

	/* Before this, an ACCEPT may still take the file; after it, only we do. */
	upcall_finish(handshake, -ECANCELED);
	if (handshake->file)
		fput(handshake->file);
	handshake->file = NULL;
}
