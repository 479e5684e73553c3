// SPDX-License-Identifier: GPL-2.0-only
/*
 * riptides: credentials that only the bound process can read, or use.
 *
 * The node agent describes through /dev/riptides (device.c, message.c,
 * uapi/riptides.h) who may read what (store.c); sysfs files (files.c) check
 * the reader at every read (identity.c, exe.c) and forget the content at its
 * end (expiry.c). Nothing of a content is ever printed.
 *
 * Connections of bound processes (hook.c, gate.c) are carried over kernel TLS
 * (handshake.c, upcall.c), and what they write (transmit.c) leaves with a
 * credential (request.c). conn.h draws states and locks.
 *
 * Unload is refused while the agent or the TLS helper has its device open, and
 * while a carried socket lives. It removes the devices and the hook, then the
 * files (waiting for reads in progress; descriptors still
 * open give ENODEV), then wipes everything.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "blob.h"
#include "conn.h"
#include "connections.h"
#include "device.h"
#include "events.h"
#include "exe.h"
#include "expiry.h"
#include "files.h"
#include "health.h"
#include "hook.h"
#include "store.h"
#include "upcall.h"

#define RIPTIDES_VERSION "0.1.0"

static int __init riptides_init(void)
{
	int err;

	expiry_init();
	err = exe_init();
	if (err)
		return err;
	err = events_init();
	if (err)
		goto fail_events;
	err = binding_files_init();
	if (err)
		goto fail_files;
	err = health_init();
	if (err)
		goto fail_health;
	err = conn_init();
	if (err)
		goto fail_conn;
	err = connections_init();
	if (err)
		goto fail_connections;
	err = upcall_init();
	if (err)
		goto fail_upcall;
	err = hook_init();
	if (err)
		goto fail_hook;
	err = device_init();
	if (err)
		goto fail_device;
	pr_info("version " RIPTIDES_VERSION " loaded\n");
	return 0;

fail_device:
	hook_exit();
fail_hook:
	upcall_exit();
fail_upcall:
	connections_exit();
fail_connections:
	conn_exit();
fail_conn:
	health_exit();
fail_health:
	binding_files_exit();
fail_files:
	events_exit();
fail_events:
	exe_exit();
	return err;
}

static void __exit riptides_exit(void)
{
	device_exit();
	hook_exit();
	upcall_exit();
	connections_exit();
	conn_exit();
	health_exit();
	store_exit();
	binding_files_exit();
	expiry_exit();
	events_exit();
	exe_exit();
	blob_exit();
	pr_info("unloaded, every content wiped\n");
}

module_init(riptides_init);
module_exit(riptides_exit);

MODULE_DESCRIPTION("Credentials that only the bound process can read, or use");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: tls");
MODULE_VERSION(RIPTIDES_VERSION);
