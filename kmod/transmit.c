// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the application writes: heads are collected and judged, bodies follow
 * within their framing, and nothing beyond what was understood is taken.
 *
 * Everything leaves through conn->out. A blocking writer waits there for room,
 * in kernel TLS and with the lock held; for others what has no room stays, the
 * worker sends it when there is, and POLLOUT is withheld meanwhile.
 *
 * Bytes after the first head are not taken before TLS is up: a later head must
 * be judged in the process that writes it.
 */
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>

#include "conn.h"
#include "handshake.h"
#include "request.h"
#include "transmit.h"
#include "upcall.h"

#define HEAD_FIRST	4096
#define PIECE		16384	/* bytes of a TLS record */
#define HOLD_STEP	65536
#define OUT_KEPT	65536	/* a larger buffer is freed once it is empty */

#define TLS_CONTENT_ALERT	21
#define TLS_ALERT_WARNING	1
#define TLS_ALERT_CLOSE_NOTIFY	0
#define TLS_CLIENT_HELLO_BYTE	0x16	/* content type handshake */

static void close_notify(struct conn *conn)
{
	u8 alert[] = { TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY };
	u8 control[CMSG_SPACE(1)] __aligned(sizeof(size_t)) = {};
	struct kvec vector = { alert, sizeof(alert) };
	struct msghdr message = {
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_TLS;
	header->cmsg_type = TLS_SET_RECORD_TYPE;
	header->cmsg_len = CMSG_LEN(1);
	*(u8 *)CMSG_DATA(header) = TLS_CONTENT_ALERT;
	iov_iter_kvec(&message.msg_iter, ITER_SOURCE, &vector, 1, sizeof(alert));
	/* Without room there is none; the peer then sees a connection cut short. */
	conn->inner->sendmsg(conn->app, &message, sizeof(alert));
}

/* All of conn->out has left. */
static void sent(struct conn *conn)
{
	memzero_explicit(conn->out.bytes, conn->out.end);
	conn->out.at = 0;
	WRITE_ONCE(conn->out.end, 0);
	if (conn->out.size > OUT_KEPT)
		conn_buffer_free(&conn->out);
	if (conn->out_revision) {
		conn->injections++;
		injection_event_of(conn->injection, &conn->process, RIPTIDES_WIRE_INJECTED, 0,
				   conn->out_revision);
		conn->out_revision = 0;
	}
}

static bool is_interrupted(int err)
{
	return err == -EAGAIN || err == -EINTR || err == -ERESTARTSYS;
}

/* 0 when all of conn->out has left; -EAGAIN and the like leave the rest there. */
static int push(struct conn *conn, bool nonblock)
{
	struct conn_buffer *out = &conn->out;
	int result;

	while (conn_buffer_length(out)) {
		struct kvec vector = { out->bytes + out->at, conn_buffer_length(out) };
		struct msghdr message = {
			.msg_flags = MSG_NOSIGNAL | (nonblock ? MSG_DONTWAIT : 0),
		};

		iov_iter_kvec(&message.msg_iter, ITER_SOURCE, &vector, 1, vector.iov_len);
		result = conn->inner->sendmsg(conn->app, &message, vector.iov_len);
		if (is_interrupted(result))
			return result;
		if (result < 0)
			return conn_fail(conn, RIPTIDES_WIRE_BROKEN, result);
		out->at += result;
	}
	if (out->end)
		sent(conn);
	if (conn->shut_write) {
		conn->shut_write = false;
		close_notify(conn);
		conn->inner->shutdown(conn->app, SHUT_WR);
	}
	return 0;
}

/* Looks at the first byte, which stays the application's. */
static int begin(struct conn *conn, struct iov_iter *from)
{
	u8 byte;

	conn_classify(conn);
	if (conn->state != RIPTIDES_SO_FIRST)
		return 0;
	if (copy_from_iter(&byte, 1, from) != 1)
		return -EFAULT;
	iov_iter_revert(from, 1);
	if (byte != TLS_CLIENT_HELLO_BYTE) {
		conn_set_state(conn, RIPTIDES_SO_COLLECT);
		return 0;
	}
	injection_port_event(conn->port, RIPTIDES_WIRE_OWN_TLS, 0);
	conn_pass(conn);
	return 0;
}

/* Takes bytes up to the end of the head; acts on it once it is whole. */
static int take_head(struct conn *conn, struct iov_iter *from)
{
	struct conn_buffer *head = &conn->head;
	u32 before = head->end;
	size_t taken;
	int length;

	if (head->size == before &&
	    conn_buffer_grow(head, min_t(u32, RT_HTTP_HEAD_MAX, max(HEAD_FIRST, 4 * before))))
		return -ENOMEM;
	taken = copy_from_iter(head->bytes + before,
			       min_t(size_t, head->size - before, iov_iter_count(from)), from);
	if (!taken)
		return -EFAULT;
	head->end += taken;
	length = conn->state == RIPTIDES_SO_COLLECT ? rt_http_starts(head->bytes, head->end) : 0;
	if (length >= 0)
		length = rt_http_head_length(head->bytes, head->end, before);
	if (length < 0)
		return conn_fail(conn, RIPTIDES_WIRE_MALFORMED, length);
	if (!length)
		return 0;
	iov_iter_revert(from, head->end - length);
	head->end = length;
	length = request_check(conn);
	if (length)
		return length;
	return conn->state == RIPTIDES_SO_OPEN ? request_send(conn) : handshake_start(conn);
}

/* Copies at most `size` bytes of the body to `to`; how many, or the connection has failed. */
static int copy_body(struct conn *conn, char *to, size_t size, struct iov_iter *from)
{
	size_t taken = copy_from_iter(to, min(size, iov_iter_count(from)), from);
	int used;

	if (!taken)
		return -EFAULT;
	used = rt_http_body_feed(&conn->body, to, taken);
	if (used < 0)
		return conn_fail(conn, RIPTIDES_WIRE_MALFORMED, used);
	iov_iter_revert(from, taken - used);
	return used;
}

static int take_body(struct conn *conn, struct iov_iter *from)
{
	int used;

	if (conn_buffer_grow(&conn->out, PIECE))
		return -ENOMEM;
	used = copy_body(conn, conn->out.bytes, PIECE, from);
	if (used < 0)
		return used;
	WRITE_ONCE(conn->out.end, used);
	if (rt_http_body_done(&conn->body))
		conn->phase = PHASE_HEAD;
	return 0;
}

static int take_hold(struct conn *conn, struct iov_iter *from)
{
	struct conn_buffer *hold = &conn->hold;
	u32 most = conn->room + conn->injection->body_max;
	int used;

	if (hold->end == hold->size) {
		if (hold->size >= most)
			return conn_fail(conn, RIPTIDES_WIRE_MALFORMED, -EMSGSIZE);
		if (conn_buffer_grow(hold, min_t(u32, most, 2 * hold->size + HOLD_STEP)))
			return -ENOMEM;
	}
	used = copy_body(conn, hold->bytes + hold->end,
			 min_t(size_t, HOLD_STEP, hold->size - hold->end), from);
	if (used < 0)
		return used;
	hold->end += used;
	return rt_http_body_done(&conn->body) ? request_send_held(conn) : 0;
}

static int take(struct conn *conn, struct iov_iter *from)
{
	switch (conn->phase) {
	case PHASE_BODY:
		return take_body(conn, from);
	case PHASE_HOLD:
		return take_hold(conn, from);
	default:
		return take_head(conn, from);
	}
}

/* Lets go of the lock meanwhile. */
static int wait_handshake(struct conn *conn, bool nonblock)
{
	long longest = sock_sndtimeo(conn->sk, nonblock);
	long left;

	if (!longest)
		return -EAGAIN;
	mutex_unlock(&conn->lock);
	left = wait_event_interruptible_timeout(conn->settled,
						conn_state(conn) != RIPTIDES_SO_HANDSHAKE,
						longest);
	mutex_lock(&conn->lock);
	if (left < 0)
		return sock_intr_errno(longest);
	return left ? 0 : -EAGAIN;
}

/* 0: all was taken, or the state is PASS or FAIL. */
static int take_all(struct conn *conn, struct iov_iter *from, bool nonblock)
{
	int err = 0;

	while (!err) {
		switch (conn->state) {
		case RIPTIDES_SO_FIRST:
			err = begin(conn, from);
			break;
		case RIPTIDES_SO_COLLECT:
			if (!iov_iter_count(from))
				return 0;
			err = take_head(conn, from);
			break;
		case RIPTIDES_SO_HANDSHAKE:
			if (nonblock && !iov_iter_count(from))
				return 0;
			err = wait_handshake(conn, nonblock);
			break;
		case RIPTIDES_SO_OPEN:
			err = push(conn, nonblock);
			if (err)
				break;
			if (!iov_iter_count(from))
				return 0;
			err = take(conn, from);
			break;
		default:
			return 0;
		}
	}
	return err;
}

/* As the native sendmsg() waits for the connection; before any byte is taken. */
static int wait_connected(struct conn *conn, bool nonblock)
{
	struct sock *sk = conn->sk;
	long longest = sock_sndtimeo(sk, nonblock);
	int err = 0;

	if (conn_state(conn) > RIPTIDES_SO_COLLECT)
		return 0;
	lock_sock(sk);
	if ((1 << sk->sk_state) & ~(TCPF_ESTABLISHED | TCPF_CLOSE_WAIT))
		err = sk_stream_wait_connect(sk, &longest);
	if (!err && (sk->sk_err || sk->sk_shutdown & SEND_SHUTDOWN))
		err = sk->sk_err ? sock_error(sk) : -EPIPE;
	release_sock(sk);
	return err;
}

static int transmit_quietly(struct conn *conn, struct msghdr *message)
{
	bool nonblock = message->msg_flags & MSG_DONTWAIT;
	size_t whole = msg_data_left(message);
	int err;
	u8 state;

	if (!whole)
		return 0;
	err = wait_connected(conn, nonblock);
	if (err)
		return err;
	mutex_lock(&conn->lock);
	err = take_all(conn, &message->msg_iter, nonblock);
	state = conn->state;
	conn_unlock(conn);
	if (state == RIPTIDES_SO_FAIL)
		return conn_take_error(conn);
	if (state == RIPTIDES_SO_PASS)
		return conn->inner->sendmsg(conn->app, message, msg_data_left(message));
	whole -= msg_data_left(message);
	return whole ?: err;
}

int transmit(struct conn *conn, struct msghdr *message)
{
	int result = transmit_quietly(conn, message);

	if (result == -EPIPE && !(message->msg_flags & MSG_NOSIGNAL))
		send_sig(SIGPIPE, current, 0);
	return result;
}

void transmit_flush(struct conn *conn)
{
	if (!push(conn, true) && conn->state == RIPTIDES_SO_OPEN)
		conn_wake(conn);
}

void transmit_close(struct conn *conn)
{
	if (!push(conn, true))
		close_notify(conn);
}

int transmit_shutdown(struct conn *conn, int how)
{
	switch (conn->state) {
	case RIPTIDES_SO_FAIL:
		return -ENOTCONN;
	case RIPTIDES_SO_HANDSHAKE:
		if (how == SHUT_RDWR) {
			/* Nobody could read the answer. */
			conn_end(conn, -EPIPE);
			upcall_finish(&conn->handshake, -EPIPE);
		}
		conn->shut_write |= how == SHUT_WR;
		return 0;
	case RIPTIDES_SO_OPEN:
		if (how == SHUT_RD)
			break;
		/* Now, or by the worker once output has left. */
		conn->shut_write = true;
		push(conn, true);
		if (how == SHUT_WR)
			return 0;
		how = SHUT_RD;
		break;
	default:
		break;
	}
	return conn->inner->shutdown(conn->app, how);
}
