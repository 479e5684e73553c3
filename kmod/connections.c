// SPDX-License-Identifier: GPL-2.0-only
/* /proc/riptides/connections: a line for each carried socket. For root; tells no secret. */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "conn.h"
#include "connections.h"

static const char *const state_names[] = {
	[RIPTIDES_SO_FIRST] = "first",		[RIPTIDES_SO_COLLECT] = "collect",
	[RIPTIDES_SO_HANDSHAKE] = "handshake",	[RIPTIDES_SO_OPEN] = "open",
	[RIPTIDES_SO_PASS] = "pass",		[RIPTIDES_SO_FAIL] = "fail",
};

static struct proc_dir_entry *directory;

/* Under the lock that guards conn->injection; the rest may be a moment old. */
static void show_connection(const struct conn *conn, void *data)
{
	const struct injection *injection = conn->injection;
	u8 state = conn_state(conn);
	struct seq_file *file = data;

	seq_printf(file, "pid=%d comm=", conn->pid);
	seq_escape(file, conn->comm, " \t\n\\=");
	if (injection)
		seq_printf(file, " workload=%pUb binding=%s host=%s",
			   injection_key(injection)->workload, injection_key(injection)->binding,
			   injection->host);
	else
		seq_puts(file, " workload=- binding=- host=-");
	seq_printf(file, " peer=[%pI6c]:%u state=%s tls=%s", &conn->address, conn->port,
		   state_names[state], state == RIPTIDES_SO_OPEN ? "1.3" : "-");
	seq_printf(file, " requests=%llu injections=%llu error=%d\n",
		   READ_ONCE(conn->requests), READ_ONCE(conn->injections),
		   READ_ONCE(conn->error));
}

static int show_connections(struct seq_file *file, void *data)
{
	conn_each(show_connection, file);
	return 0;
}

int connections_init(void)
{
	directory = proc_mkdir("riptides", NULL);
	if (!directory)
		return -ENOMEM;
	if (proc_create_single("connections", 0400, directory, show_connections))
		return 0;
	proc_remove(directory);
	return -ENOMEM;
}

void connections_exit(void)
{
	proc_remove(directory);
}
