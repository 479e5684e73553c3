/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_TRANSMIT_H
#define RIPTIDES_TRANSMIT_H

struct conn;
struct msghdr;

/* sendmsg() of a connection that is not in PASS: bytes taken, or an errno. */
int transmit(struct conn *conn, struct msghdr *message);

/* Sends what waits, as far as there is room. conn->lock is held, state OPEN. */
void transmit_flush(struct conn *conn);

/* The application closes in OPEN: what has no room by now is lost. conn->lock is held. */
void transmit_close(struct conn *conn);

/* shutdown(), after what was taken has left. conn->lock is held. */
int transmit_shutdown(struct conn *conn, int how);

#endif
