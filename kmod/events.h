/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_EVENTS_H
#define RIPTIDES_EVENTS_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include "uapi/riptides.h"

#define SEEN_READERS	8

/* The last readers an event was made for, so that a loop of reads is one event. */
struct seen {
	spinlock_t lock;	/* the readers */
	unsigned int next;
	struct seen_reader {
		pid_t pid;
		u64 started;	/* boot time: a pid used again is another reader */
		u64 what;
		unsigned long at;
	} readers[SEEN_READERS];
};

void seen_init(struct seen *seen);

/* Is this the first time (within the lifetime in jiffies) for current? Notes it. */
bool seen_first(struct seen *seen, u64 what, unsigned long lifetime);

/* Queues an event; pid, uid and comm are those of current unless it is EXPIRE. */
void events_push(u16 type, const struct riptides_key *key, u64 revision, u32 reason);

union event_frame {
	struct riptides_header header;
	struct riptides_event event;
	struct riptides_lost lost;
};

/* Copies the oldest frame and returns its length, 0 when there is none. One caller. */
size_t events_peek(union event_frame *frame);

/* Drops the frame that events_peek() showed. */
void events_pop(void);

bool events_waiting(void);

int events_init(void);
void events_exit(void);

#endif
