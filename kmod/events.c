// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events for the agent: a ring of fixed size that is kept while no agent is
 * connected. ring_lock is a leaf and is taken in process context only.
 *
 * A full ring drops the new event and counts it; the count goes into the ring
 * as one LOST before the next event that finds room. Denials are at the will
 * of any process, so they may not take the last slots.
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

bool seen_first(struct seen *seen, u64 what, unsigned long lifetime)
{
	u64 started = current->group_leader->start_boottime;
	struct seen_reader *reader;
	bool first = true;
	unsigned int i;

	spin_lock(&seen->lock);
	for (i = 0; i < SEEN_READERS; i++) {
		reader = &seen->readers[i];
		if (reader->pid == current->tgid && reader->started == started &&
		    reader->what == what) {
			first = time_after(jiffies, reader->at + lifetime);
			if (first)
				reader->at = jiffies;
			goto out;
		}
	}
	reader = &seen->readers[seen->next++ % SEEN_READERS];
	reader->pid = current->tgid;
	reader->started = started;
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

void events_push(u16 type, const struct riptides_key *key, u64 revision, u32 reason)
{
	unsigned int limit = type == RIPTIDES_DENY ? RING_SIZE - RING_RESERVED : RING_SIZE;
	union event_frame *frame;

	spin_lock(&ring_lock);
	if (ring_count + (ring_lost ? 2 : 1) > limit) {
		ring_lost++;
		spin_unlock(&ring_lock);
		atomic64_inc(&health.events_lost);
		return;
	}
	if (ring_lost)
		ring_add_lost();
	frame = ring_slot(type, sizeof(frame->event));
	frame->event.key = *key;
	frame->event.at_ms = cpu_to_le64(ktime_to_ms(ktime_get_real()));
	frame->event.revision = cpu_to_le64(revision);
	frame->event.reason = cpu_to_le32(reason);
	if (type != RIPTIDES_EXPIRE) {
		frame->event.pid = cpu_to_le32(current->tgid);
		frame->event.uid = cpu_to_le32(from_kuid(&init_user_ns, current_uid()));
		strscpy(frame->event.comm, current->group_leader->comm,
			sizeof(frame->event.comm));
	}
	spin_unlock(&ring_lock);
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
