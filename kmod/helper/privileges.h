/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_PRIVILEGES_H
#define RIPTIDES_TLS_PRIVILEGES_H

/*
 * Gives up every capability for good and, when root, becomes nobody; leaves
 * neither core files nor access by ptrace. Before any thread is made. 0 or a
 * negative errno.
 */
int privileges_drop(void);

#endif
