// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is reading, or writing a request? Everything is asked of current at that
 * time.
 *
 * An io_uring worker or a thread has the mm, credentials and cgroup of its
 * process but a name of its own, so the name is that of the group leader and
 * the executable that of the mm.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/rcupdate.h>
#include <linux/sched/coredump.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "compat.h"
#include "exe.h"
#include "identity.h"
#include "text.h"

static void identity_release(struct kref *ref)
{
	struct identity *identity = container_of(ref, struct identity, ref);
	unsigned int i;

	for (i = 0; i < identity->count; i++)
		kfree(identity->facts[i].cgroup);
	kfree(identity);
}

struct identity *identity_get(struct identity *identity)
{
	kref_get(&identity->ref);
	return identity;
}

void identity_put(struct identity *identity)
{
	if (identity)
		kref_put(&identity->ref, identity_release);
}

/* An absolute path below the root, without empty components. */
static bool is_cgroup_path(const char *path)
{
	size_t length = strlen(path);

	return length > 1 && path[0] == '/' && path[length - 1] != '/' && !strstr(path, "//");
}

static int facts_parse(struct identity_facts *facts, const struct riptides_facts *wire)
{
	u32 mask = le32_to_cpu(wire->mask);

	if (!text_is_padded(wire->comm, sizeof(wire->comm)) ||
	    !text_is_padded(wire->cgroup, sizeof(wire->cgroup)))
		return -EBADMSG;
	if (!mask || mask & ~RIPTIDES_FACT_ALL)
		return -EINVAL;
	if (!(mask & RIPTIDES_FACT_CGROUP) != !wire->cgroup[0] ||
	    !(mask & RIPTIDES_FACT_COMM) != !wire->comm[0])
		return -EINVAL;

	facts->mask = mask;
	facts->uid = KUIDT_INIT(le32_to_cpu(wire->uid));
	facts->gid = KGIDT_INIT(le32_to_cpu(wire->gid));
	if (mask & RIPTIDES_FACT_UID && !uid_valid(facts->uid))
		return -EINVAL;
	if (mask & RIPTIDES_FACT_GID && !gid_valid(facts->gid))
		return -EINVAL;
	facts->userns = le32_to_cpu(wire->userns);
	facts->exe_device = MKDEV(le32_to_cpu(wire->exe_major), le32_to_cpu(wire->exe_minor));
	facts->exe_inode = le64_to_cpu(wire->exe_inode);
	memcpy(facts->exe_sha256, wire->exe_sha256, sizeof(facts->exe_sha256));
	strscpy(facts->comm, wire->comm, sizeof(facts->comm));
	if (mask & RIPTIDES_FACT_CGROUP) {
		if (!is_cgroup_path(wire->cgroup))
			return -EINVAL;
		facts->cgroup = kstrdup(wire->cgroup, GFP_KERNEL);
		if (!facts->cgroup)
			return -ENOMEM;
	}
	return 0;
}

struct identity *identity_parse(const struct riptides_facts *facts, unsigned int count)
{
	struct identity *identity;
	unsigned int i;
	int err;

	if (!count || count > RIPTIDES_ALTERNATIVES_MAX)
		return ERR_PTR(-EINVAL);
	identity = kzalloc(struct_size(identity, facts, count), GFP_KERNEL);
	if (!identity)
		return ERR_PTR(-ENOMEM);
	kref_init(&identity->ref);
	identity->count = count;
	for (i = 0; i < count; i++) {
		err = facts_parse(&identity->facts[i], &facts[i]);
		if (err) {
			identity_put(identity);
			return ERR_PTR(err);
		}
	}
	return identity;
}

/*
 * The path is compared up to the hierarchy's root, not looked up: a look-up
 * would start at the cgroup namespace of the process, which an unprivileged one
 * can make itself and fill with directories of any name. A cgroup of v2 keeps
 * its name and its parent for life, so under RCU the walk needs no lock.
 */
static bool is_below(struct cgroup *cgroup, const char *path)
{
	const char *at, *end = path + strlen(path);
	int level = 0;

	for (at = path; *at; at++)
		level += *at == '/';
	cgroup = cgroup_ancestor(cgroup, level);
	for (; cgroup && cgroup->level; cgroup = cgroup_parent(cgroup)) {
		const char *name = compat_kernfs_name(cgroup->kn);
		size_t length = strlen(name);

		if (end - path <= length || end[-length - 1] != '/' ||
		    memcmp(end - length, name, length))
			return false;
		end -= length + 1;
	}
	return cgroup && end == path;
}

static bool check_cgroup(const char *path)
{
	bool below;

	rcu_read_lock();
	below = is_below(task_dfl_cgroup(current), path);
	rcu_read_unlock();
	return below;
}

static u32 check_exe(const struct identity_facts *facts)
{
	struct file *exe = exe_of_current();
	u8 sha256[RIPTIDES_SHA256_SIZE];
	u32 reason = RIPTIDES_DENY_NONE;
	struct kstat stat;

	if (!exe)
		return RIPTIDES_DENY_EXE;
	if (facts->mask & RIPTIDES_FACT_EXE) {
		if (exe_stat(exe, &stat))
			reason = RIPTIDES_DENY_FAULT;
		else if (stat.dev != facts->exe_device || stat.ino != facts->exe_inode)
			reason = RIPTIDES_DENY_EXE;
	}
	if (!reason && facts->mask & RIPTIDES_FACT_SHA256) {
		if (exe_sha256(exe, sha256))
			reason = RIPTIDES_DENY_FAULT;
		else if (memcmp(sha256, facts->exe_sha256, sizeof(sha256)))
			reason = RIPTIDES_DENY_SHA256;
	}
	fput(exe);
	return reason;
}

static bool check_userns(const struct identity_facts *facts)
{
	const struct user_namespace *ns = current_user_ns();

	if (facts->mask & RIPTIDES_FACT_USERNS)
		return ns->ns.inum == facts->userns;
	return ns == &init_user_ns;
}

static bool check_comm(const char *wanted)
{
	bool same;

	rcu_read_lock();
	same = !strncmp(READ_ONCE(current->group_leader)->comm, wanted, TASK_COMM_LEN);
	rcu_read_unlock();
	return same;
}

/* Everything but the executable; does not sleep. */
static u32 facts_check_process(const struct identity_facts *facts)
{
	const struct cred *cred = current_cred();

	if (!check_userns(facts))
		return RIPTIDES_DENY_USERNS;
	if (facts->mask & RIPTIDES_FACT_UID &&
	    !(uid_eq(cred->uid, facts->uid) && uid_eq(cred->euid, facts->uid) &&
	      uid_eq(cred->fsuid, facts->uid)))
		return RIPTIDES_DENY_UID;
	if (facts->mask & RIPTIDES_FACT_GID &&
	    !(gid_eq(cred->gid, facts->gid) && gid_eq(cred->egid, facts->gid) &&
	      gid_eq(cred->fsgid, facts->gid)))
		return RIPTIDES_DENY_GID;
	if (facts->mask & RIPTIDES_FACT_COMM && !check_comm(facts->comm))
		return RIPTIDES_DENY_COMM;
	if (facts->mask & RIPTIDES_FACT_CGROUP && !check_cgroup(facts->cgroup))
		return RIPTIDES_DENY_CGROUP;
	return RIPTIDES_DENY_NONE;
}

/* Cheap facts first; the digest, which may read the whole executable, last. */
static u32 facts_check(const struct identity_facts *facts)
{
	u32 reason = facts_check_process(facts);

	if (!reason && facts->mask & (RIPTIDES_FACT_EXE | RIPTIDES_FACT_SHA256))
		reason = check_exe(facts);
	return reason;
}

static bool is_process(void)
{
	return !(current->flags & PF_KTHREAD) && current->mm;
}

u32 identity_check(const struct identity *identity)
{
	u32 closest = RIPTIDES_DENY_NONE;
	unsigned int i;
	u32 reason;

	if (!is_process())
		return RIPTIDES_DENY_KERNEL;
	for (i = 0; i < identity->count; i++) {
		reason = facts_check(&identity->facts[i]);
		if (!reason)
			return RIPTIDES_DENY_NONE;
		closest = max(closest, reason);
	}
	return closest;
}

bool identity_may_match(const struct identity *identity)
{
	unsigned int i;

	for (i = 0; i < identity->count && is_process(); i++)
		if (!facts_check_process(&identity->facts[i]))
			return true;
	return false;
}

static bool is_traced(void)
{
	struct task_struct *thread;
	bool traced = false;

	rcu_read_lock();
	for_each_thread(current, thread)
		traced |= READ_ONCE(thread->ptrace) != 0;
	rcu_read_unlock();
	return traced;
}

u32 identity_seal(const struct file *opened)
{
	const struct cred *opener = opened->f_cred;
	const struct cred *reader = current_cred();

	if (opener->user_ns != reader->user_ns || !uid_eq(opener->euid, reader->euid) ||
	    !uid_eq(opener->fsuid, reader->fsuid))
		return RIPTIDES_DENY_OPENER;
	/* Not dumpable first: who attaches after this needs CAP_SYS_PTRACE. */
	set_mask_bits(&current->mm->flags, MMF_DUMPABLE_MASK, SUID_DUMP_DISABLE);
	if (is_traced())
		return RIPTIDES_DENY_TRACED;
	return RIPTIDES_DENY_NONE;
}
