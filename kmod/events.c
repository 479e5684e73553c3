// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events for the agent: a ring of fixed size that is kept while no agent is
 * connected. ring_lock is a leaf and is taken in process context only.
 *
 * A full ring drops the new event and counts it; the count goes into the ring
 * as one LOST before the next event that finds room. Denials and failures are
 * at the will of any process, so they may not take the last slots.
 */
#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/user_namespace.h>

#include "device.h"
#include "events.h"
#include "health.h"

#define RING_SIZE	512
#define RING_RESERVED	64

static DEFINE_SPINLOCK(ring_lock);
static union event_frame *ring;
static unsigned int ring_head, ring_count;
static u64 ring_seq, ring_lost;

void seen_init(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	spin_lock_init(&seen->lock);
}

void event_process_current(struct event_process *process)
{
	const struct task_struct *leader = current->group_leader;

	process->pid = current->tgid;
	process->started = leader->start_boottime;
	process->uid = current_uid();
	strscpy_pad(process->comm, leader->comm, sizeof(process->comm));
}

bool seen_first(struct seen *seen, const struct event_process *process, u64 what,
		unsigned long lifetime)
{
	struct seen_reader *reader;
	bool first = true;
	unsigned int i;

	spin_lock(&seen->lock);
	for (i = 0; i < SEEN_READERS; i++) {
		reader = &seen->readers[i];
		if (reader->pid == process->pid && reader->started == process->started &&
		    reader->what == what) {
			first = time_after(jiffies, reader->at + lifetime);
			if (first)
				reader->at = jiffies;
			goto out;
		}
	}
	reader = &seen->readers[seen->next++ % SEEN_READERS];
	reader->pid = process->pid;
	reader->started = process->started;
	reader->what = what;
	reader->at = jiffies;
out:
	spin_unlock(&seen->lock);
	return first;
}

static union event_frame *ring_slot(u16 type, size_t length)
{
	union event_frame *frame = &ring[(ring_head + ring_count++) % RING_SIZE];

	memset(frame, 0, sizeof(*frame));
	frame->header.length = cpu_to_le32(length);
	frame->header.type = cpu_to_le16(type);
	frame->header.seq = cpu_to_le64(++ring_seq);
	return frame;
}

/* Turns the count of dropped events into a frame; ring_lock is held. */
static void ring_add_lost(void)
{
	union event_frame *frame = ring_slot(RIPTIDES_LOST, sizeof(frame->lost));

	frame->lost.count = cpu_to_le64(ring_lost);
	ring_lost = 0;
}

/* A slot for an event, or NULL when it is lost; ring_lock is held. */
static union event_frame *ring_take(u16 type, size_t length, unsigned int limit)
{
	if (ring_count + (ring_lost ? 2 : 1) > limit) {
		ring_lost++;
		atomic64_inc(&health.events_lost);
		return NULL;
	}
	if (ring_lost)
		ring_add_lost();
	return ring_slot(type, length);
}

static __le64 now_ms(void)
{
	return cpu_to_le64(ktime_to_ms(ktime_get_real()));
}

void events_push(u16 type, const struct riptides_key *key, const struct event_process *process,
		 u64 revision, u32 reason)
{
	unsigned int limit = type == RIPTIDES_DENY ? RING_SIZE - RING_RESERVED : RING_SIZE;
	struct riptides_event *event;
	union event_frame *frame;

	spin_lock(&ring_lock);
	frame = ring_take(type, sizeof(*event), limit);
	if (frame) {
		event = &frame->event;
		event->key = *key;
		event->at_ms = now_ms();
		event->revision = cpu_to_le64(revision);
		event->reason = cpu_to_le32(reason);
		if (process) {
			event->pid = cpu_to_le32(process->pid);
			event->uid = cpu_to_le32(from_kuid(&init_user_ns, process->uid));
			strscpy(event->comm, process->comm, sizeof(event->comm));
		}
	}
	spin_unlock(&ring_lock);
	if (frame)
		device_wake();
}

void events_push_wire(const struct riptides_key *key, const struct event_process *process,
		      const struct wire_event *what)
{
	bool injected = what->kind == RIPTIDES_WIRE_INJECTED;
	struct riptides_wire_event *event;
	union event_frame *frame;

	spin_lock(&ring_lock);
	frame = ring_take(RIPTIDES_WIRE, sizeof(*event),
			  injected ? RING_SIZE : RING_SIZE - RING_RESERVED);
	if (frame) {
		event = &frame->wire;
		event->key = *key;
		event->at_ms = now_ms();
		event->revision = cpu_to_le64(what->revision);
		event->kind = cpu_to_le32(what->kind);
		event->error = cpu_to_le32(what->error);
		event->pid = cpu_to_le32(process->pid);
		event->uid = cpu_to_le32(from_kuid(&init_user_ns, process->uid));
		event->port = cpu_to_le32(what->port);
		strscpy(event->comm, process->comm, sizeof(event->comm));
		strscpy(event->host, what->host, sizeof(event->host));
	}
	spin_unlock(&ring_lock);
	if (frame)
		device_wake();
}

size_t events_peek(union event_frame *frame)
{
	size_t length = 0;

	spin_lock(&ring_lock);
	if (!ring_count && ring_lost)
		ring_add_lost();
	if (ring_count) {
		*frame = ring[ring_head];
		length = le32_to_cpu(frame->header.length);
	}
	spin_unlock(&ring_lock);
	return length;
}

void events_pop(void)
{
	spin_lock(&ring_lock);
	ring_head = (ring_head + 1) % RING_SIZE;
	ring_count--;
	spin_unlock(&ring_lock);
}

bool events_waiting(void)
{
	return READ_ONCE(ring_count) || READ_ONCE(ring_lost);
}

int events_init(void)
{
	ring = kvcalloc(RING_SIZE, sizeof(*ring), GFP_KERNEL);
	return ring ? 0 : -ENOMEM;
}

void events_exit(void)
{
	kvfree(ring);
}
