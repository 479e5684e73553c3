/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_NOTIFY_H
#define RIPTIDES_TLS_NOTIFY_H

/* Tells systemd that the service is ready, where systemd started it. 0 or a negative errno. */
int notify_ready(void);

#endif
