/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_GATE_H
#define RIPTIDES_GATE_H

#include <linux/net.h>

struct conn;

/* Fills conn->ops from conn->native. Atomic context. */
void gate_fill(struct conn *conn);

/* The connection that a socket is, NULL when it is none of ours. */
struct conn *gate_conn(const struct socket *sock);

/* Takes back what gate_close() withheld from the kernel's own users of the socket. */
void gate_open(struct conn *conn);

/* For a socket that carries, or may come to: no zero-copy, no look past TLS. Atomic. */
void gate_close(struct conn *conn);

#endif
