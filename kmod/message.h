/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_MESSAGE_H
#define RIPTIDES_MESSAGE_H

#include <linux/types.h>

struct session;

/* What one agent has said so far. */
struct conversation;

struct conversation *conversation_new(struct session *session);
void conversation_free(struct conversation *conversation);

/* HELLO was accepted. Any context. */
bool conversation_is_open(const struct conversation *conversation);

/*
 * Checks a frame of size bytes (at least a header) and does what it says.
 * Returns 0 or the errno of uapi/riptides.h. The caller serialises.
 */
int conversation_accept(struct conversation *conversation, const void *frame, size_t size);

#endif
