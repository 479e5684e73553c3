// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/module/riptides/credentials/<uuid>/crb-<name>/vault.json
 *
 * Anyone may open a file; the reader is checked at every read. A kobject holds
 * the memory of its binding or workload, a parent outlives its children. sysfs
 * refuses reads through descriptors that outlive the file with ENODEV.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uuid.h>

#include "compat.h"
#include "files.h"
#include "health.h"
#include "identity.h"
#include "store.h"

/* The <uuid> directory. */
struct workload {
	struct kobject kobj;
	struct hlist_node node;		/* workloads, store_mutex */
	unsigned int bindings;		/* store_mutex */
	u8 uuid[RIPTIDES_WORKLOAD_SIZE];
};

static DEFINE_HASHTABLE(workloads, 8);
static struct kobject *credentials;

static u32 uuid_hash(const u8 *uuid)
{
	return get_unaligned_le32(uuid);
}

/* kernfs keeps a word with each open file for its user; sysfs leaves it alone. */
static unsigned long *snapshot_of(struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct kernfs_open_file *open = seq->private;

	return (unsigned long *)&open->priv;
}

static void count_denial(struct binding *binding, u64 revision, u32 reason)
{
	struct event_process process;

	atomic64_inc(&health.denied[reason]);
	event_process_current(&process);
	if (seen_first(&binding->denied, &process, reason, HZ))
		events_push(RIPTIDES_DENY, &binding->key, &process, revision, reason);
}

static void count_read(struct binding *binding, u64 revision)
{
	struct event_process process;

	atomic64_inc(&health.reads);
	event_process_current(&process);
	if (seen_first(&binding->granted, &process, revision, MAX_JIFFY_OFFSET)) {
		atomic64_inc(&health.grants);
		events_push(RIPTIDES_GRANT, &binding->key, &process, revision, RIPTIDES_DENY_NONE);
	}
}

static ssize_t vault_read(struct file *file, struct kobject *kobj, struct bin_attribute *attribute,
			  char *buffer, loff_t offset, size_t size)
{
	struct binding *binding = container_of(kobj, struct binding, kobj);
	struct reading reading = {
		.snapshot = snapshot_of(file),
		.buffer = buffer,
		.offset = offset,
		.size = size,
	};
	struct identity *identity;
	ssize_t result;
	u32 reason;

	do {
		identity = store_identity(binding, &reading);
		if (!identity)
			return -ENODEV;
		reason = identity_check(identity);
		if (!reason)
			reason = identity_seal(file);
		result = reason ? -EACCES : store_read(binding, identity, &reading);
		identity_put(identity);
	} while (result == -EAGAIN);

	if (reason || reading.reason)
		count_denial(binding, reading.revision, reason ?: reading.reason);
	else if (result > 0)
		count_read(binding, reading.revision);
	return result;
}

static struct bin_attribute vault_json = {
	.attr = { .name = "vault.json", .mode = 0444 },
	.read = vault_read,
};

static struct bin_attribute *binding_files[] = { &vault_json, NULL };
static const struct attribute_group binding_group = { .bin_attrs = binding_files };
static const struct attribute_group *binding_groups[] = { &binding_group, NULL };

static void binding_release(struct kobject *kobj)
{
	struct binding *binding = container_of(kobj, struct binding, kobj);

	kernfs_put(binding->file);
	identity_put(binding->identity);
	kfree(binding);
}

static const struct kobj_type binding_type = {
	.release = binding_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = binding_groups,
};

static void workload_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct workload, kobj));
}

static const struct kobj_type workload_type = {
	.release = workload_release,
	.sysfs_ops = &kobj_sysfs_ops,
};

static struct workload *workload_get(const u8 *uuid)
{
	struct workload *workload;
	int err;

	hash_for_each_possible(workloads, workload, node, uuid_hash(uuid)) {
		if (!memcmp(workload->uuid, uuid, sizeof(workload->uuid))) {
			workload->bindings++;
			return workload;
		}
	}
	workload = kzalloc(sizeof(*workload), GFP_KERNEL);
	if (!workload)
		return ERR_PTR(-ENOMEM);
	memcpy(workload->uuid, uuid, sizeof(workload->uuid));
	workload->bindings = 1;
	err = kobject_init_and_add(&workload->kobj, &workload_type, credentials, "%pUb", uuid);
	if (err) {
		kobject_put(&workload->kobj);
		return ERR_PTR(err);
	}
	hash_add(workloads, &workload->node, uuid_hash(uuid));
	return workload;
}

static void workload_put(struct workload *workload)
{
	if (--workload->bindings)
		return;
	hash_del(&workload->node);
	kobject_del(&workload->kobj);
	kobject_put(&workload->kobj);
}

struct binding *binding_files_add(const struct riptides_key *key)
{
	struct workload *workload;
	struct binding *binding;
	int err;

	binding = kzalloc(sizeof(*binding), GFP_KERNEL);
	if (!binding)
		return ERR_PTR(-ENOMEM);
	binding->key = *key;
	seen_init(&binding->granted);
	seen_init(&binding->denied);
	binding->workload = workload_get(key->workload);
	if (IS_ERR(binding->workload)) {
		err = PTR_ERR(binding->workload);
		kfree(binding);
		return ERR_PTR(err);
	}
	workload = binding->workload;
	err = kobject_init_and_add(&binding->kobj, &binding_type, &workload->kobj, "crb-%s",
				   key->binding);
	if (err) {
		kobject_put(&binding->kobj);
		workload_put(workload);
		return ERR_PTR(err);
	}
	binding->file = kernfs_find_and_get(binding->kobj.sd, vault_json.attr.name);
	return binding;
}

void binding_files_remove(struct binding *binding)
{
	struct workload *workload = binding->workload;

	kobject_del(&binding->kobj);
	kobject_put(&binding->kobj);
	workload_put(workload);
}

int binding_files_init(void)
{
	credentials = kobject_create_and_add("credentials", &THIS_MODULE->mkobj.kobj);
	return credentials ? 0 : -ENOMEM;
}

void binding_files_exit(void)
{
	kobject_put(credentials);
}
