/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_LOG_H
#define RIPTIDES_TLS_LOG_H

/* One line on standard error: host, name of the errno, reason. */
void log_failure(const char *host, int error, const char *reason);

/* The same about the helper itself. */
void log_own_failure(const char *what, int error);

#endif
