// SPDX-License-Identifier: GPL-2.0-only
/*
 * The executable of a process and its digest.
 *
 * Digests are remembered in a small ring (cache_lock, a leaf). An entry names
 * one state of one file; any write, truncation or replacement makes another
 * state. A file that changed a moment ago is not remembered: its time stamps
 * are too coarse to show a further change.
 */
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <crypto/hash.h>

#include "compat.h"
#include "exe.h"

#define CACHE_SIZE	64
#define READ_SIZE	SZ_64K
#define SETTLE_SECONDS	2

/* Compared as bytes: no padding, all zero before it is filled. */
struct exe_state {
	u64 superblock;
	u64 device;
	u64 inode;
	u64 version;
	u64 size;
	s64 mtime;
	s64 mtime_ns;
	s64 ctime;
	s64 ctime_ns;
};

struct exe_digest {
	struct exe_state state;
	u8 sha256[RIPTIDES_SHA256_SIZE];
};

static struct exe_digest cache[CACHE_SIZE];
static unsigned int cache_next;
static DEFINE_SPINLOCK(cache_lock);
static struct crypto_shash *sha256;

struct file *exe_of_current(void)
{
	return current->mm ? compat_exe_file(current->mm) : NULL;
}

int exe_stat(struct file *exe, struct kstat *stat)
{
	return vfs_getattr_nosec(&exe->f_path, stat, STATX_BASIC_STATS, AT_STATX_DONT_SYNC);
}

static int state_of(struct file *exe, struct exe_state *state)
{
	struct inode *inode = file_inode(exe);
	struct kstat stat;
	int err;

	err = exe_stat(exe, &stat);
	if (err)
		return err;
	memset(state, 0, sizeof(*state));
	state->superblock = (uintptr_t)inode->i_sb;
	state->device = stat.dev;
	state->inode = stat.ino;
	if (IS_I_VERSION(inode))
		state->version = inode_query_iversion(inode);
	state->size = stat.size;
	state->mtime = stat.mtime.tv_sec;
	state->mtime_ns = stat.mtime.tv_nsec;
	state->ctime = stat.ctime.tv_sec;
	state->ctime_ns = stat.ctime.tv_nsec;
	return 0;
}

static bool cache_find(const struct exe_state *state, u8 *digest)
{
	bool found = false;
	unsigned int i;

	spin_lock(&cache_lock);
	for (i = 0; i < CACHE_SIZE && !found; i++) {
		found = !memcmp(&cache[i].state, state, sizeof(*state));
		if (found)
			memcpy(digest, cache[i].sha256, sizeof(cache[i].sha256));
	}
	spin_unlock(&cache_lock);
	return found;
}

static void cache_add(const struct exe_state *state, const u8 *digest)
{
	struct exe_digest *entry;

	if (ktime_get_real_seconds() - state->ctime < SETTLE_SECONDS)
		return;
	spin_lock(&cache_lock);
	entry = &cache[cache_next++ % CACHE_SIZE];
	entry->state = *state;
	memcpy(entry->sha256, digest, sizeof(entry->sha256));
	spin_unlock(&cache_lock);
}

static int digest_file(struct file *exe, u8 *digest)
{
	SHASH_DESC_ON_STACK(desc, sha256);
	loff_t position = 0;
	ssize_t length;
	u8 *buffer;
	int err;

	buffer = kmalloc(READ_SIZE, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	desc->tfm = sha256;
	err = crypto_shash_init(desc);
	while (!err) {
		length = kernel_read(exe, buffer, READ_SIZE, &position);
		if (length <= 0) {
			err = length;
			break;
		}
		err = crypto_shash_update(desc, buffer, length);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	if (!err)
		err = crypto_shash_final(desc, digest);
	shash_desc_zero(desc);
	kfree(buffer);
	return err;
}

int exe_sha256(struct file *exe, u8 digest[RIPTIDES_SHA256_SIZE])
{
	struct exe_state before, after;
	int err;

	/* A user's own file server could hold the read for ever, and COMMIT with it. */
	if (file_inode(exe)->i_sb->s_magic == FUSE_SUPER_MAGIC)
		return -EOPNOTSUPP;
	err = state_of(exe, &before);
	if (err)
		return err;
	if (cache_find(&before, digest))
		return 0;
	err = digest_file(exe, digest);
	if (err)
		return err;
	err = state_of(exe, &after);
	if (err)
		return err;
	if (memcmp(&before, &after, sizeof(before)))
		return -ETXTBSY;
	cache_add(&after, digest);
	return 0;
}

int exe_init(void)
{
	sha256 = crypto_alloc_shash("sha256", 0, 0);
	return PTR_ERR_OR_ZERO(sha256);
}

void exe_exit(void)
{
	crypto_free_shash(sha256);
}
