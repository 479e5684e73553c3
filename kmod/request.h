/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_REQUEST_H
#define RIPTIDES_REQUEST_H

struct conn;

/*
 * Judges the head in conn->head, for the process that calls: well formed,
 * bound process, declared host, allowed by a rule, live secret. 0, or the
 * connection has failed. conn->lock is held; may sleep.
 */
int request_check(struct conn *conn);

/*
 * Puts the head that was judged, with the credential, into conn->out, or opens
 * conn->hold for a body to be signed; sets the phase. 0, or the connection has
 * failed. Also for the worker. conn->lock is held.
 */
int request_send(struct conn *conn);

/* The same once the whole body is in conn->hold. */
int request_send_held(struct conn *conn);

#endif
