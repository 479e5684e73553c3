// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations of a carried socket: each decides by the connection's state
 * whether the native ones may see the call.
 *
 * Members that the kernel calls through sk->sk_socket->ops (read_sock,
 * peek_len, set_rcvlowat, splice_eof) stay native: kernel TLS needs them.
 * What would replace our operations by others (TCP_ULP, IPV6_ADDRFORM) is
 * refused in every state, as the release would then pass us by; worse, kernel
 * TLS copies the operations it finds into its own, for all sockets.
 */
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>

#include "compat.h"
#include "conn.h"
#include "gate.h"
#include "handshake.h"
#include "receive.h"
#include "transmit.h"
#include "uapi/riptides.h"

#define POLL_IN_ALL	(EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLPRI)
#define POLL_OUT_ALL	(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)
#define POLL_FAILED	(EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLIN | EPOLLRDNORM | \
			 EPOLLOUT | EPOLLWRNORM)

static struct conn *conn_of(const struct socket *sock)
{
	return container_of(READ_ONCE(sock->ops), struct conn, ops);
}

/* For calls that an unbound process must not notice a difference in. */
static void gate_classify(struct conn *conn)
{
	if (READ_ONCE(conn->classified))
		return;
	mutex_lock(&conn->lock);
	conn_classify(conn);
	conn_unlock(conn);
}

static int gate_release(struct socket *sock)
{
	struct conn *conn = conn_of(sock);
	int err = 0;

	mutex_lock(&conn->lock);
	if (conn->away) {
		/* The helper may still sleep on our wait queue: the last one closes. */
		handshake_abandon(conn);
		conn->released = true;
		mutex_unlock(&conn->lock);
		handshake_cancel(conn);
	} else {
		if (conn->state == RIPTIDES_SO_OPEN)
			transmit_close(conn);
		conn->released = true;
		if (conn->ear_on)
			remove_wait_queue(&sock->wq.wait, &conn->ear);
		mutex_unlock(&conn->lock);
		err = conn->inner->release(sock);
		module_put(conn->native->owner);
	}
	conn_leave(conn);
	return err;
}

static int gate_connect(struct socket *sock, struct sockaddr *address, int length, int flags)
{
	struct conn *conn = conn_of(sock);
	u8 state = conn_state(conn);

	if (state == RIPTIDES_SO_FIRST || state == RIPTIDES_SO_PASS)
		return conn->native->connect(sock, address, length, flags);
	/*
	 * Disconnecting would leave kernel TLS behind, which cannot. The native
	 * operation also disconnects a closed socket that connected without waiting.
	 */
	return length >= (int)sizeof(address->sa_family) && address->sa_family == AF_UNSPEC ?
	       -EOPNOTSUPP : -EISCONN;
}

static __poll_t poll_open(struct conn *conn, struct file *file)
{
	__poll_t mask = conn->inner->poll(file, conn->app, NULL);

	if (mask & EPOLLIN && !READ_ONCE(conn->got_data)) {
		receive_tickets(conn);
		if (conn_state(conn) == RIPTIDES_SO_FAIL)
			return POLL_FAILED;
		mask = conn->inner->poll(file, conn->app, NULL);
	}
	if (READ_ONCE(conn->got_close))
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (READ_ONCE(conn->out.end))
		mask &= ~POLL_OUT_ALL;
	return mask;
}

static __poll_t gate_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait)
{
	struct conn *conn = conn_of(sock);
	__poll_t mask;

	gate_classify(conn);
	/* First the queue, then the state: a change in between wakes. */
	sock_poll_wait(file, sock, wait);
	switch (conn_state(conn)) {
	case RIPTIDES_SO_PASS:
		return conn->inner->poll(file, sock, NULL);
	case RIPTIDES_SO_FAIL:
		return POLL_FAILED;
	case RIPTIDES_SO_HANDSHAKE:
		return 0;
	case RIPTIDES_SO_OPEN:
		return poll_open(conn, file);
	default:
		/* Whatever the server says before TLS is not for the application. */
		mask = conn->inner->poll(file, sock, NULL);
		return mask & EPOLLRDHUP ? mask : mask & ~POLL_IN_ALL;
	}
}

static int gate_shutdown(struct socket *sock, int how)
{
	struct conn *conn = conn_of(sock);
	int err;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (how != SHUT_WR)
		WRITE_ONCE(conn->shut_read, true);
	if (!mutex_trylock(&conn->lock)) {
		if (conn_state(conn) == RIPTIDES_SO_OPEN)
			/* A writer waits for room: this ends its wait. */
			return conn->inner->shutdown(sock, how);
		mutex_lock(&conn->lock);
	}
	err = transmit_shutdown(conn, how);
	conn_unlock(conn);
	if (how != SHUT_WR)
		conn_wake(conn);
	return err;
}

static bool is_refused(struct conn *conn, int level, int option)
{
	if ((level == SOL_TCP && option == TCP_ULP) ||
	    (level == SOL_IPV6 && option == IPV6_ADDRFORM))
		return true;
	if (conn_state(conn) == RIPTIDES_SO_PASS)
		return false;
	return level == SOL_TLS ||
	       (level == SOL_TCP && (option == TCP_REPAIR || option == TCP_REPAIR_QUEUE ||
				     option == TCP_QUEUE_SEQ || option == TCP_FASTOPEN_CONNECT));
}

static int gate_setsockopt(struct socket *sock, int level, int option, sockptr_t value,
			   unsigned int length)
{
	struct conn *conn = conn_of(sock);

	if (is_refused(conn, level, option))
		return -ENOPROTOOPT;
	return conn->inner->setsockopt(sock, level, option, value, length);
}

static int get_state(struct conn *conn, char __user *value, int __user *length)
{
	struct riptides_so_state state = { .state = conn_state(conn) };
	int size;

	if (get_user(size, length))
		return -EFAULT;
	if (size < 0)
		return -EINVAL;
	size = min_t(int, size, sizeof(state));
	mutex_lock(&conn->lock);
	state.error = conn->error;
	state.requests = conn->requests;
	state.injections = conn->injections;
	if (conn->injection)
		strscpy_pad(state.host, conn->injection->host, sizeof(state.host));
	conn_unlock(conn);
	if (put_user(size, length) || copy_to_user(value, &state, size))
		return -EFAULT;
	return 0;
}

static int gate_getsockopt(struct socket *sock, int level, int option, char __user *value,
			   int __user *length)
{
	struct conn *conn = conn_of(sock);

	if (level == SOL_RIPTIDES)
		return option == RIPTIDES_SO_STATE ? get_state(conn, value, length) : -ENOPROTOOPT;
	/* SOL_TLS would give the session's keys away. */
	if (conn_state(conn) != RIPTIDES_SO_PASS &&
	    (level == SOL_TLS || (level == SOL_TCP && option == TCP_ZEROCOPY_RECEIVE)))
		return -ENOPROTOOPT;
	return conn->inner->getsockopt(sock, level, option, value, length);
}

static int gate_sendmsg(struct socket *sock, struct msghdr *message, size_t length)
{
	struct conn *conn = conn_of(sock);

	gate_classify(conn);
	if (conn_state(conn) == RIPTIDES_SO_PASS)
		return conn->inner->sendmsg(sock, message, length);
	if (message->msg_flags & (MSG_OOB | MSG_FASTOPEN | MSG_ZEROCOPY))
		return -EOPNOTSUPP;
	return transmit(conn, message);
}

static int gate_recvmsg(struct socket *sock, struct msghdr *message, size_t length, int flags)
{
	struct conn *conn = conn_of(sock);

	gate_classify(conn);
	if (conn_state(conn) == RIPTIDES_SO_PASS || flags & MSG_ERRQUEUE)
		return conn->inner->recvmsg(sock, message, length, flags);
	return receive(conn, message, length, flags);
}

static ssize_t gate_splice_read(struct socket *sock, loff_t *position,
				struct pipe_inode_info *pipe, size_t length, unsigned int flags)
{
	struct conn *conn = conn_of(sock);

	gate_classify(conn);
	if (conn_state(conn) == RIPTIDES_SO_PASS)
		return conn->inner->splice_read(sock, position, pipe, length, flags);
	return receive_splice(conn, position, pipe, length, flags);
}

static int gate_mmap(struct file *file, struct socket *sock, struct vm_area_struct *area)
{
	struct conn *conn = conn_of(sock);

	if (conn_state(conn) == RIPTIDES_SO_PASS)
		return conn->inner->mmap(file, sock, area);
	return sock_no_mmap(file, sock, area);
}

#ifdef COMPAT_SENDPAGE
static ssize_t gate_sendpage(struct socket *sock, struct page *page, int offset, size_t size,
			     int flags)
{
	struct conn *conn = conn_of(sock);

	gate_classify(conn);
	if (conn_state(conn) == RIPTIDES_SO_PASS)
		return conn->inner->sendpage(sock, page, offset, size, flags);
	return sock_no_sendpage(sock, page, offset, size, flags);
}
#endif

struct conn *gate_conn(const struct socket *sock)
{
	const struct proto_ops *ops = READ_ONCE(sock->ops);

	return ops && ops->release == gate_release ? container_of(ops, struct conn, ops) : NULL;
}

void gate_fill(struct conn *conn)
{
	conn->ops = *conn->native;
	conn->ops.owner = THIS_MODULE;
	conn->ops.release = gate_release;
	conn->ops.connect = gate_connect;
	conn->ops.poll = gate_poll;
	conn->ops.shutdown = gate_shutdown;
	conn->ops.setsockopt = gate_setsockopt;
	conn->ops.getsockopt = gate_getsockopt;
	conn->ops.sendmsg = gate_sendmsg;
	conn->ops.recvmsg = gate_recvmsg;
	conn->ops.splice_read = gate_splice_read;
	conn->ops.mmap = gate_mmap;
#ifdef COMPAT_SENDPAGE
	conn->ops.sendpage = gate_sendpage;
#endif
	gate_close(conn);
}

/* Callers of these members check for NULL. */
void gate_close(struct conn *conn)
{
	WRITE_ONCE(conn->ops.read_skb, NULL);
	WRITE_ONCE(conn->ops.sendmsg_locked, NULL);
#ifdef COMPAT_SENDPAGE
	WRITE_ONCE(conn->ops.sendpage_locked, NULL);
#endif
	if (test_and_clear_bit(SOCK_SUPPORT_ZC, &conn->app->flags))
		conn->zerocopy = true;
}

void gate_open(struct conn *conn)
{
	WRITE_ONCE(conn->ops.read_skb, conn->native->read_skb);
	WRITE_ONCE(conn->ops.sendmsg_locked, conn->native->sendmsg_locked);
#ifdef COMPAT_SENDPAGE
	WRITE_ONCE(conn->ops.sendpage_locked, conn->native->sendpage_locked);
#endif
	if (conn->zerocopy)
		set_bit(SOCK_SUPPORT_ZC, &conn->app->flags);
}
