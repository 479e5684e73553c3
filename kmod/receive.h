/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_RECEIVE_H
#define RIPTIDES_RECEIVE_H

#include <linux/types.h>

struct conn;
struct msghdr;
struct pipe_inode_info;

/* recvmsg() of a connection that is not in PASS when called. */
int receive(struct conn *conn, struct msghdr *message, size_t length, int flags);

/*
 * Takes tickets that came before any data out of the way, so that poll() does
 * not promise what recv() will not give. State OPEN; may sleep for a moment.
 */
void receive_tickets(struct conn *conn);

/* splice() from it. */
ssize_t receive_splice(struct conn *conn, loff_t *position, struct pipe_inode_info *pipe,
		       size_t length, unsigned int flags);

#endif
