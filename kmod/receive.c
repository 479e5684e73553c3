// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the application reads: data of the TLS session, and nothing before it.
 *
 * Kernel TLS hands out records of other types only to who gives it a control
 * buffer; to others it says EIO (recvmsg) or EINVAL (splice) and keeps them.
 * So such a record is taken out here: a NewSessionTicket is dropped, a
 * close_notify is the end, everything else (a KeyUpdate, which these kernels
 * cannot follow, among it) ends the connection. The end of the stream without
 * a close_notify is no end: somebody may have cut it.
 */
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tls.h>

#include "conn.h"
#include "receive.h"

#define CONTENT_ALERT		21
#define CONTENT_HANDSHAKE	22
#define CONTENT_DATA		23
#define HANDSHAKE_TICKET	4
#define HANDSHAKE_HEADER	4	/* type, length in three bytes */
#define ALERT_CLOSE_NOTIFY	0
#define RECORD_SIZE		(16384 + 1)

/* What became of the record at the front. */
enum drained {
	DRAINED_NOTHING,	/* it is data, or another reader was faster */
	DRAINED_ONE,
	DRAINED_CLOSE,
};

static void break_off(struct conn *conn)
{
	/* A writer may hold the lock until the peer reads: this ends its wait. */
	conn->inner->shutdown(conn->app, SHUT_RDWR);
	mutex_lock(&conn->lock);
	conn_fail(conn, RIPTIDES_WIRE_BROKEN, -EPROTO);
	conn_unlock(conn);
}

/* Reads without waiting. The type is 0 when there is no record. */
static int read_record(struct conn *conn, u8 *bytes, size_t size, int flags, u8 *type)
{
	u8 control[CMSG_SPACE(1)] __aligned(sizeof(size_t)) = {};
	const struct cmsghdr *header = (struct cmsghdr *)control;
	struct kvec vector = { bytes, size };
	struct msghdr message = {
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int result;

	iov_iter_kvec(&message.msg_iter, ITER_DEST, &vector, 1, size);
	result = conn->inner->recvmsg(conn->app, &message, size, flags | MSG_DONTWAIT);
	*type = 0;
	if (result >= 0 && message.msg_controllen < sizeof(control) &&
	    header->cmsg_level == SOL_TLS && header->cmsg_type == TLS_GET_RECORD_TYPE)
		*type = *(const u8 *)CMSG_DATA(header);
	return result;
}

/* Only whole NewSessionTicket messages. */
static bool is_tickets(const u8 *bytes, u32 length)
{
	u32 size;

	if (!length)
		return false;
	while (length) {
		if (length < HANDSHAKE_HEADER || bytes[0] != HANDSHAKE_TICKET)
			return false;
		size = HANDSHAKE_HEADER + (bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
		if (size > length)
			return false;
		bytes += size;
		length -= size;
	}
	return true;
}

static int judge_record(u8 type, const u8 *bytes, u32 length)
{
	if (type == CONTENT_HANDSHAKE && is_tickets(bytes, length))
		return DRAINED_ONE;
	if (type == CONTENT_ALERT && length == 2 && bytes[1] == ALERT_CLOSE_NOTIFY)
		return DRAINED_CLOSE;
	return -EPROTO;
}

/* enum drained, or an errno: -EPROTO when the peer says what ends the connection. */
static int drain(struct conn *conn)
{
	u8 *bytes = kmalloc(RECORD_SIZE, GFP_KERNEL);
	int result;
	u8 type;

	if (!bytes)
		return -ENOMEM;
	/* Between the two reads only who drains could take the record. */
	mutex_lock(&conn->drain);
	result = read_record(conn, bytes, 1, MSG_PEEK, &type);
	if (type && type != CONTENT_DATA) {
		result = read_record(conn, bytes, RECORD_SIZE, 0, &type);
		if (result >= 0)
			result = judge_record(type, bytes, result);
	} else if (result > 0 || result == -EAGAIN) {
		if (type)
			WRITE_ONCE(conn->got_data, true);
		result = DRAINED_NOTHING;
	}
	mutex_unlock(&conn->drain);
	kfree_sensitive(bytes);
	if (result == DRAINED_CLOSE)
		WRITE_ONCE(conn->got_close, true);
	return result;
}

void receive_tickets(struct conn *conn)
{
	int result = DRAINED_ONE;

	while (result == DRAINED_ONE && !READ_ONCE(conn->got_data))
		result = drain(conn);
	if (result == -EPROTO)
		break_off(conn);
}

static bool is_settled(const struct conn *conn)
{
	u8 state = conn_state(conn);

	if (state >= RIPTIDES_SO_OPEN || READ_ONCE(conn->shut_read))
		return true;
	return state != RIPTIDES_SO_HANDSHAKE &&
	       (READ_ONCE(conn->sk->sk_err) ||
		READ_ONCE(conn->sk->sk_shutdown) & RCV_SHUTDOWN);
}

static int wait_settled(struct conn *conn, bool nonblock)
{
	long longest = sock_rcvtimeo(conn->sk, nonblock);
	long left;

	if (is_settled(conn))
		return 0;
	if (!longest)
		return -EAGAIN;
	left = wait_event_interruptible_timeout(conn->app->wq.wait, is_settled(conn), longest);
	if (left < 0)
		return sock_intr_errno(longest);
	return left ? 0 : -EAGAIN;
}

/* After a native call has failed or told the end; what the application is told. */
static int judge_end(struct conn *conn, int result)
{
	if (conn_state(conn) == RIPTIDES_SO_FAIL)
		return conn_take_error(conn);
	if (READ_ONCE(conn->got_close))
		return 0;
	/* A bad record; a stream cut short. */
	if (result == -EBADMSG || result == -EPROTO ||
	    (!result && !READ_ONCE(conn->shut_read))) {
		break_off(conn);
		return conn_take_error(conn);
	}
	return result;
}

/* One native recvmsg(); tickets before the data are gone. */
static int receive_data(struct conn *conn, struct msghdr *message, size_t length, int flags)
{
	int result;

	for (;;) {
		if (READ_ONCE(conn->got_close))
			return 0;
		result = conn->inner->recvmsg(conn->app, message, length, flags);
		if (result != -EIO)
			break;
		result = drain(conn);
		if (result < 0)
			break;
		cond_resched();
	}
	return result > 0 || !length ? result : judge_end(conn, result);
}

static int receive_open(struct conn *conn, struct msghdr *message, size_t length, int flags)
{
	bool whole = flags & MSG_WAITALL && !(flags & (MSG_PEEK | MSG_DONTWAIT));
	void *control = message->msg_control;
	size_t control_length = message->msg_controllen;
	size_t total = 0;
	int result;

	message->msg_control = NULL;
	message->msg_controllen = 0;
	do {
		/* Kernel TLS ends a read at a record of another type. */
		result = receive_data(conn, message, length - total, flags);
		if (result > 0)
			total += result;
	} while (whole && result > 0 && total < length);
	message->msg_flags &= ~MSG_CTRUNC;
	message->msg_control = control;
	message->msg_controllen = control_length;
	return total ?: result;
}

int receive(struct conn *conn, struct msghdr *message, size_t length, int flags)
{
	int err = wait_settled(conn, flags & MSG_DONTWAIT);

	if (err)
		return err;
	switch (conn_state(conn)) {
	case RIPTIDES_SO_PASS:
		return conn->inner->recvmsg(conn->app, message, length, flags);
	case RIPTIDES_SO_OPEN:
		return receive_open(conn, message, length, flags);
	case RIPTIDES_SO_FAIL:
		/* Ended by shutdown(): as natively, the end of the stream. */
		if (READ_ONCE(conn->shut_read) && READ_ONCE(conn->error) == -EPIPE)
			return 0;
		return conn_take_error(conn);
	default:
		return sock_error(conn->sk);
	}
}

ssize_t receive_splice(struct conn *conn, loff_t *position, struct pipe_inode_info *pipe,
		       size_t length, unsigned int flags)
{
	bool nonblock = flags & SPLICE_F_NONBLOCK || conn->app->file->f_flags & O_NONBLOCK;
	ssize_t result = wait_settled(conn, nonblock);

	if (result)
		return result;
	switch (conn_state(conn)) {
	case RIPTIDES_SO_PASS:
	case RIPTIDES_SO_OPEN:
		break;
	case RIPTIDES_SO_FAIL:
		return conn_take_error(conn);
	default:
		return sock_error(conn->sk);
	}
	for (;;) {
		if (READ_ONCE(conn->got_close))
			return 0;
		result = conn->inner->splice_read(conn->app, position, pipe, length, flags);
		if (result != -EINVAL || conn_state(conn) != RIPTIDES_SO_OPEN)
			break;
		result = drain(conn);
		if (result == DRAINED_NOTHING)
			return -EINVAL;
		if (result < 0)
			break;
	}
	return result > 0 || !length || conn_state(conn) == RIPTIDES_SO_PASS ?
	       result : judge_end(conn, result);
}
