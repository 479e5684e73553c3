/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_HANDSHAKE_H
#define RIPTIDES_HANDSHAKE_H

struct conn;
struct handshake;

void handshake_init(struct handshake *handshake);

/*
 * Takes sk away from the application's socket and asks the helper. 0, or the
 * connection has failed: EHOSTDOWN without a helper. conn->lock is held.
 */
int handshake_start(struct conn *conn);

/*
 * After the helper's answer, else without effect: believes what it sees in the
 * socket, gives sk back and sends what waits, or fails the connection.
 * conn->lock is held.
 */
void handshake_end(struct conn *conn);

/* The application closes while sk is away. conn->lock is held. */
void handshake_abandon(struct conn *conn);

/* Withdraws the request once conn->released is set; conn->lock is not held. */
void handshake_cancel(struct conn *conn);

#endif
