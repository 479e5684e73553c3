/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the supported kernels, 6.1 to 6.12, and a little beyond. */
#ifndef RIPTIDES_COMPAT_H
#define RIPTIDES_COMPAT_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kernfs.h>
#include <linux/mm_types.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* The executable of a process with a reference, or NULL. */
static inline struct file *compat_exe_file(struct mm_struct *mm)
{
	struct file *exe;

	rcu_read_lock();
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	exe = get_file_rcu(&mm->exe_file);
#else
	exe = rcu_dereference(mm->exe_file);
	if (exe && !get_file_rcu(exe))
		exe = NULL;
#endif
	rcu_read_unlock();
	return exe;
}

/* Under rcu_read_lock(). */
static inline const char *compat_kernfs_name(const struct kernfs_node *node)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	return rcu_dereference(node->name);
#else
	return node->name;
#endif
}

static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*function)(struct hrtimer *),
					clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/* Before 6.5, splice() and sendfile() to a socket have an operation of their own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define COMPAT_SENDPAGE
#endif

#endif
