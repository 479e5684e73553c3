/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef RIPTIDES_TLS_WORKER_H
#define RIPTIDES_TLS_WORKER_H

/*
 * Carries out the handshakes of a device, as many at once as descriptors last,
 * until `stop` (a descriptor) becomes readable. Several workers may share both.
 * Handshakes under way end with the worker: the module fails them when the
 * device is closed. 0, or a negative errno when the device is of no more use.
 */
int worker_run(int device, int stop);

#endif
