// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, as the STATS reply and as the text of /sys/module/riptides/health:
 * a line "ok", then one "name value" a line. Anyone may read it.
 */
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/sysfs.h>

#include "blob.h"
#include "device.h"
#include "health.h"
#include "store.h"

struct health health;

static const char *const reason_names[] = {
	[RIPTIDES_DENY_KERNEL] = "kernel",	[RIPTIDES_DENY_USERNS] = "userns",
	[RIPTIDES_DENY_UID] = "uid",		[RIPTIDES_DENY_GID] = "gid",
	[RIPTIDES_DENY_OPENER] = "opener",	[RIPTIDES_DENY_TRACED] = "traced",
	[RIPTIDES_DENY_COMM] = "comm",		[RIPTIDES_DENY_CGROUP] = "cgroup",
	[RIPTIDES_DENY_EXE] = "exe",		[RIPTIDES_DENY_SHA256] = "sha256",
	[RIPTIDES_DENY_EMPTY] = "empty",	[RIPTIDES_DENY_EXPIRED] = "expired",
	[RIPTIDES_DENY_FAULT] = "fault",
};

static const char *const wire_names[] = {
	[RIPTIDES_WIRE_INJECTED] = "injected",	[RIPTIDES_WIRE_OWN_TLS] = "own_tls",
	[RIPTIDES_WIRE_REFUSED] = "refused",	[RIPTIDES_WIRE_MALFORMED] = "malformed",
	[RIPTIDES_WIRE_NO_SECRET] = "no_secret", [RIPTIDES_WIRE_HANDSHAKE] = "handshake",
	[RIPTIDES_WIRE_IDENTITY] = "identity",	[RIPTIDES_WIRE_BROKEN] = "broken",
};

void health_stats(struct riptides_stats *stats)
{
	struct store_size size = store_size();
	unsigned int i;

	stats->generation = cpu_to_le64(size.generation);
	stats->grants = cpu_to_le64(atomic64_read(&health.grants));
	stats->reads = cpu_to_le64(atomic64_read(&health.reads));
	for (i = 0; i < RIPTIDES_REASONS; i++)
		stats->denied[i] = cpu_to_le64(atomic64_read(&health.denied[i]));
	stats->expired = cpu_to_le64(atomic64_read(&health.expired));
	stats->wiped = cpu_to_le64(atomic64_read(&health.wiped));
	stats->events_lost = cpu_to_le64(atomic64_read(&health.events_lost));
	stats->malformed = cpu_to_le64(atomic64_read(&health.malformed));
	stats->bindings = cpu_to_le32(size.bindings);
	stats->contents = cpu_to_le32(size.contents);
	stats->blob_length = cpu_to_le32(blob_length());
	stats->injections = cpu_to_le32(size.injections);
	for (i = 0; i < RIPTIDES_WIRE_KINDS; i++)
		stats->wire[i] = cpu_to_le64(atomic64_read(&health.wire[i]));
	stats->handshakes = cpu_to_le64(atomic64_read(&health.handshakes));
	stats->connections = cpu_to_le32(atomic_read(&health.connections));
	stats->helper = cpu_to_le32(atomic_read(&health.helper));
}

static ssize_t health_show(struct kobject *kobj, struct kobj_attribute *attribute, char *page)
{
	struct store_size size = store_size();
	unsigned int i;
	int length;

	length = sysfs_emit(page, "ok\nagent %d\nhelper %d\ngeneration %llu\n", device_has_agent(),
			    atomic_read(&health.helper), size.generation);
	length += sysfs_emit_at(page, length, "bindings %u\ncontents %u\ninjections %u\n",
				size.bindings, size.contents, size.injections);
	length += sysfs_emit_at(page, length, "grants %lld\nreads %lld\nexpired %lld\nwiped %lld\n",
				atomic64_read(&health.grants), atomic64_read(&health.reads),
				atomic64_read(&health.expired), atomic64_read(&health.wiped));
	length += sysfs_emit_at(page, length, "events_lost %lld\nmalformed %lld\n",
				atomic64_read(&health.events_lost),
				atomic64_read(&health.malformed));
	for (i = 1; i < ARRAY_SIZE(reason_names); i++)
		length += sysfs_emit_at(page, length, "denied_%s %lld\n", reason_names[i],
					atomic64_read(&health.denied[i]));
	for (i = 1; i < ARRAY_SIZE(wire_names); i++)
		length += sysfs_emit_at(page, length, "wire_%s %lld\n", wire_names[i],
					atomic64_read(&health.wire[i]));
	length += sysfs_emit_at(page, length, "handshakes %lld\nconnections %d\n",
				atomic64_read(&health.handshakes),
				atomic_read(&health.connections));
	return length;
}

static struct kobj_attribute health_attribute = __ATTR_RO(health);

int health_init(void)
{
	return sysfs_create_file(&THIS_MODULE->mkobj.kobj, &health_attribute.attr);
}

void health_exit(void)
{
	sysfs_remove_file(&THIS_MODULE->mkobj.kobj, &health_attribute.attr);
}
