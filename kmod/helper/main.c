// SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
/*
 * riptides-tls: does the TLS handshakes that the riptides module asks for.
 *
 * The module gives it sockets of bound processes, in whatever network namespace
 * they are, before anything has been written to them; it gives them back with
 * their keys in kernel TLS. It never sees a credential, nor any octet that the
 * process or the server sends.
 */
#include <errno.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "upcall.h"
#include "log.h"
#include "notify.h"
#include "privileges.h"
#include "trust.h"
#include "worker.h"

/* Tests have their own. */
#ifndef TRUST_DIRECTORY
#define TRUST_DIRECTORY	"/run/riptides/trust"
#define NODE_STORE	"/etc/ssl/certs/ca-certificates.crt"
#endif
#define WORKERS_MAX	4
#define STACK_SIZE	(512 * 1024)	/* bytes of address space; what is unused costs nothing */

struct shared {
	int device;
	int stop;	/* readable once the helper is to end */
};

static void *run(void *argument)
{
	struct shared *shared = argument;
	int error = worker_run(shared->device, shared->stop);

	/* Better to begin anew than to go on with a worker less; the others are in the midst of things. */
	if (error) {
		log_own_failure(RIPTIDES_TLS_DEVICE, error);
		_exit(EXIT_FAILURE);
	}
	return NULL;
}

/* A descriptor that becomes readable at SIGTERM or SIGINT, or a negative errno. */
static int stop_signals(void)
{
	sigset_t signals;
	int stop;

	/* A peer that has gone is an error of its write, not the end of the helper. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	stop = signalfd(-1, &signals, SFD_CLOEXEC);
	return stop < 0 ? -errno : stop;
}

/* Runs as many workers as there is work for; returns when all have been stopped. */
static int run_workers(struct shared *shared)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[WORKERS_MAX - 1];	/* the first thread is one, too */
	pthread_attr_t attributes;
	int error = 0, count = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	while (!error && count < WORKERS_MAX - 1 && count < processors - 1) {
		error = -pthread_create(&threads[count], &attributes, run, shared);
		count += !error;
	}
	pthread_attr_destroy(&attributes);
	if (!error)
		error = notify_ready();
	if (error)
		return error;
	run(shared);
	while (count)
		pthread_join(threads[--count], NULL);
	return 0;
}

static int fail(const char *what, int error)
{
	log_own_failure(what, error);
	return EXIT_FAILURE;
}

int main(void)
{
	struct shared shared;
	int error;

	shared.stop = stop_signals();
	if (shared.stop < 0)
		return fail("signals", shared.stop);
	shared.device = upcall_open();
	if (shared.device < 0)
		return fail(RIPTIDES_TLS_DEVICE, shared.device);
	error = privileges_drop();
	if (error)
		return fail("giving up privileges", error);
	/* Threads share one heap: each would else keep what its busiest moment needed. */
	mallopt(M_ARENA_MAX, 1);
	/* The node's openssl.cnf is for its own programs; what holds here is in trust.c. */
	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return fail("OpenSSL", -ENOMEM);
	trust_setup(TRUST_DIRECTORY, NODE_STORE);
	error = run_workers(&shared);
	return error ? fail("start", error) : EXIT_SUCCESS;
}
