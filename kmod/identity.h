/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_IDENTITY_H
#define RIPTIDES_IDENTITY_H

#include <linux/kref.h>
#include <linux/uidgid.h>
#include "uapi/riptides.h"

struct file;

/* One conjunction of facts. */
struct identity_facts {
	u32 mask;
	kuid_t uid;
	kgid_t gid;
	u32 userns;
	dev_t exe_device;
	u64 exe_inode;
	u8 exe_sha256[RIPTIDES_SHA256_SIZE];
	char comm[RIPTIDES_COMM_SIZE];
	char *cgroup;		/* owned; NULL when not in the mask */
};

/* Who is bound: any of the alternatives. Counted; immutable. */
struct identity {
	struct kref ref;
	unsigned int count;
	struct identity_facts facts[];
};

/* Copies facts off the wire; ERR_PTR(-EBADMSG, -EINVAL, -ENOMEM). */
struct identity *identity_parse(const struct riptides_facts *facts, unsigned int count);
struct identity *identity_get(struct identity *identity);
void identity_put(struct identity *identity);	/* any context; may be NULL */

/*
 * Compares the current process with the identity. May sleep and may read the
 * whole executable; takes no lock of ours. Returns RIPTIDES_DENY_NONE when one
 * alternative matches, else the reason of the one that came closest.
 */
u32 identity_check(const struct identity *identity);

/*
 * False when the current process cannot match; the executable, for which one
 * may have to sleep, is taken for granted. Any context of a process.
 */
bool identity_may_match(const struct identity *identity);

/*
 * For a reader that passed: the descriptor must have been opened by the same
 * credentials, and from here on no other process may look into its memory.
 */
u32 identity_seal(const struct file *opened);

#endif
