/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_EVENTS_H
#define RIPTIDES_EVENTS_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include "uapi/riptides.h"

#define SEEN_READERS	8

/* Whom an event is about. */
struct event_process {
	pid_t pid;	/* in the initial pid namespace */
	u64 started;	/* boot time: a pid used again is another process */
	kuid_t uid;
	char comm[RIPTIDES_COMM_SIZE];
};

void event_process_current(struct event_process *process);

/* The last readers an event was made for, so that a loop of reads is one event. */
struct seen {
	spinlock_t lock;	/* the readers */
	unsigned int next;
	struct seen_reader {
		pid_t pid;
		u64 started;
		u64 what;
		unsigned long at;
	} readers[SEEN_READERS];
};

void seen_init(struct seen *seen);

/* Is this the first time (within the lifetime in jiffies) for the process? Notes it. */
bool seen_first(struct seen *seen, const struct event_process *process, u64 what,
		unsigned long lifetime);

/* Queues an event; process is NULL for EXPIRE. Process context. */
void events_push(u16 type, const struct riptides_key *key, const struct event_process *process,
		 u64 revision, u32 reason);

struct wire_event {
	enum riptides_wire_kind kind;
	u32 error;	/* positive errno, or 0 */
	u64 revision;
	u16 port;
	const char *host;
};

/* Queues a WIRE event. Process context. */
void events_push_wire(const struct riptides_key *key, const struct event_process *process,
		      const struct wire_event *event);

union event_frame {
	struct riptides_header header;
	struct riptides_event event;
	struct riptides_wire_event wire;
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
