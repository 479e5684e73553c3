// SPDX-License-Identifier: GPL-2.0-only
/*
 * One timer for the earliest end of all contents and secrets, one work that
 * wipes what is due and sets the timer again. The timer runs on boot time: it counts suspend
 * and steps of the wall clock do not move it. Reads and
 * requests compare the time themselves, so a late work keeps memory a little longer but shows nothing.
 */
#include <linux/hrtimer.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "expiry.h"
#include "store.h"

static struct hrtimer timer;

static void expiry_work(struct work_struct *work)
{
	ktime_t next = store_expire();

	if (next != KTIME_MAX)
		hrtimer_start(&timer, next, HRTIMER_MODE_ABS);
}

static DECLARE_WORK(work, expiry_work);

static enum hrtimer_restart expiry_due(struct hrtimer *unused)
{
	schedule_work(&work);
	return HRTIMER_NORESTART;
}

void expiry_review(void)
{
	schedule_work(&work);
}

void expiry_init(void)
{
	compat_hrtimer_setup(&timer, expiry_due, CLOCK_BOOTTIME, HRTIMER_MODE_ABS);
}

void expiry_exit(void)
{
	/* The work may start the timer and the timer the work, but only while there is content. */
	cancel_work_sync(&work);
	hrtimer_cancel(&timer);
	cancel_work_sync(&work);
}
