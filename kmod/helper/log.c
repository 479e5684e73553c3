// SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "log.h"

/* The number is a priority that journald takes off: 4 a warning, 3 an error. */
static void line(int priority, const char *what, int error, const char *reason)
{
	const char *name = strerrorname_np(-error);

	dprintf(STDERR_FILENO, "<%d>%s: %s: %s\n", priority, what, name ? name : "error", reason);
}

void log_failure(const char *host, int error, const char *reason)
{
	line(4, host, error, reason);
}

void log_own_failure(const char *what, int error)
{
	line(3, what, error, strerror(-error));
}
