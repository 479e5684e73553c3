/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_UPCALL_H
#define RIPTIDES_UPCALL_H

struct handshake;

/* Asks the helper; -EHOSTDOWN when there is none. Takes a reference of the connection. */
int upcall_submit(struct handshake *handshake);

/*
 * Ends a pending handshake with a result and wakes the connection's worker; no
 * effect on one that has ended. Process context.
 */
void upcall_finish(struct handshake *handshake, int error);

int upcall_init(void);
void upcall_exit(void);

#endif
