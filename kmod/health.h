/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_HEALTH_H
#define RIPTIDES_HEALTH_H

#include <linux/atomic.h>
#include "uapi/riptides.h"

/* Counted since load, but for what says now; no lock. */
struct health {
	atomic64_t grants;
	atomic64_t reads;
	atomic64_t denied[RIPTIDES_REASONS];
	atomic64_t expired;
	atomic64_t wiped;
	atomic64_t events_lost;
	atomic64_t malformed;
	atomic64_t wire[RIPTIDES_WIRE_KINDS];
	atomic64_t handshakes;	/* begun */
	atomic_t connections;	/* carried now */
	atomic_t helper;	/* the TLS helper is connected now: 1 */
};

extern struct health health;

/* Fills every field but the header. */
void health_stats(struct riptides_stats *stats);

/* /sys/module/riptides/health */
int health_init(void);
void health_exit(void);

#endif
