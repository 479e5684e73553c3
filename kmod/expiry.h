/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_EXPIRY_H
#define RIPTIDES_EXPIRY_H

/* Looks for the next end of a content or secret, soon and elsewhere. */
void expiry_review(void);

void expiry_init(void);

/* After the store is empty. */
void expiry_exit(void);

#endif
