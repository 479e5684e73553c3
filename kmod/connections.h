/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_CONNECTIONS_H
#define RIPTIDES_CONNECTIONS_H

int connections_init(void);
void connections_exit(void);

#endif
