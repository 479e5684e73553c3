/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_DEVICE_H
#define RIPTIDES_DEVICE_H

#include <linux/types.h>

struct session;

/* Queues a reply for the agent; takes over the frame (kvmalloc) also when it fails. */
int device_reply(struct session *session, void *frame);

/* Ends reading once the replies that wait are read. */
void device_end(struct session *session);

/* An event is ready. */
void device_wake(void);

bool device_has_agent(void);

int device_init(void);
void device_exit(void);

#endif
