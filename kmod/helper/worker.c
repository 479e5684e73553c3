// SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
/*
 * One thread, many handshakes: none waits for another's peer.
 *
 * A handshake:
 *
 *   read, ACCEPT --> STEP <-> wait in epoll        (until its deadline)
 *                      '--> DONE, descriptor closed
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "upcall.h"
#include "handshake.h"
#include "log.h"
#include "worker.h"

#define EVENTS_MAX	32
#define READS_MAX	8	/* new handshakes before those under way have their turn */

struct job {
	struct job *next, *previous;
	struct riptides_handshake request;
	struct handshake handshake;
	int64_t deadline;	/* ms of the monotonic clock */
	int fd;			/* owned */
};

struct worker {
	int device;		/* shared, the caller's */
	int epoll;		/* owned */
	struct job *jobs;	/* owned */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void forget(struct worker *worker, struct job *job)
{
	if (job->next)
		job->next->previous = job->previous;
	if (job->previous)
		job->previous->next = job->next;
	else
		worker->jobs = job->next;
	/*
	 * The module has the file open, too, so that closing it alone would leave
	 * it in epoll. Before all else: the module waits for it.
	 */
	epoll_ctl(worker->epoll, EPOLL_CTL_DEL, job->fd, NULL);
	close(job->fd);
	handshake_end(&job->handshake);
	free(job);
}

/*
 * Tells the module, and then the log unless nobody waits any more: a handshake
 * that its process broke off is nobody's fault.
 */
static void report(const struct worker *worker, const struct riptides_handshake *request, int error,
		   const char *reason)
{
	if (upcall_done(worker->device, request->id, error) != -ENOENT && error)
		log_failure(request->host, error, reason);
}

static void finish(struct worker *worker, struct job *job, int error)
{
	report(worker, &job->request, error, job->handshake.reason);
	forget(worker, job);
}

static void step(struct worker *worker, struct job *job)
{
	int error = handshake_step(&job->handshake);
	struct epoll_event event = { .data.ptr = job };

	if (error != -EAGAIN) {
		finish(worker, job, error);
		return;
	}
	event.events = handshake_wants(&job->handshake);
	if (epoll_ctl(worker->epoll, EPOLL_CTL_MOD, job->fd, &event)) {
		job->handshake.reason = "the socket cannot be waited for";
		finish(worker, job, -EHOSTDOWN);
	}
}

static void start(struct worker *worker, const struct riptides_handshake *request, int64_t read_at)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct job *job;
	int error, fd;

	fd = upcall_accept(worker->device, request->id);
	if (fd == -ENOENT)
		return;
	if (fd < 0) {
		report(worker, request, -EHOSTDOWN, "the socket was not given");
		return;
	}
	job = calloc(1, sizeof(*job));
	event.data.ptr = job;
	if (!job || fcntl(fd, F_SETFL, O_NONBLOCK) ||
	    epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event)) {
		report(worker, request, -EHOSTDOWN, "out of memory or descriptors");
		close(fd);
		free(job);
		return;
	}
	job->request = *request;
	job->fd = fd;
	/* A little before the module gives up by itself: then the log has it, too. */
	job->deadline = read_at + request->deadline_ms - request->deadline_ms / 16;
	job->next = worker->jobs;
	if (job->next)
		job->next->previous = job;
	worker->jobs = job;
	error = handshake_begin(&job->handshake, fd, request);
	if (error)
		finish(worker, job, error);
	else
		step(worker, job);
}

static int take_requests(struct worker *worker)
{
	struct riptides_handshake request;
	int error, i;

	for (i = 0; i < READS_MAX; i++) {
		error = upcall_read(worker->device, &request);
		if (error)
			return error == -EAGAIN ? 0 : error;
		request.host[sizeof(request.host) - 1] = '\0';
		request.trust[sizeof(request.trust) - 1] = '\0';
		request.alpn[sizeof(request.alpn) - 1] = '\0';
		start(worker, &request, now_ms());
	}
	return 0;
}

/* Ends what is late; answers the ms until the next deadline, -1: there is none. */
static int expire(struct worker *worker)
{
	int64_t now = now_ms(), next = INT64_MAX;
	struct job *job, *following;

	for (job = worker->jobs; job; job = following) {
		following = job->next;
		if (job->deadline <= now) {
			job->handshake.reason = "the server does not answer";
			finish(worker, job, -ETIMEDOUT);
		} else if (job->deadline < next) {
			next = job->deadline;
		}
	}
	if (next == INT64_MAX)
		return -1;
	return next - now > INT_MAX ? INT_MAX : next - now;
}

static int watch(const struct worker *worker, int fd, uint32_t events, void *mark)
{
	struct epoll_event event = { .events = events, .data.ptr = mark };

	return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int loop(struct worker *worker, void *stop_mark)
{
	struct epoll_event events[EVENTS_MAX];
	int error, count, i;

	for (;;) {
		count = epoll_wait(worker->epoll, events, EVENTS_MAX, expire(worker));
		if (count < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < count; i++) {
			if (events[i].data.ptr == stop_mark)
				return 0;
			if (events[i].data.ptr != worker) {
				step(worker, events[i].data.ptr);
				continue;
			}
			error = events[i].events & (EPOLLERR | EPOLLHUP) ? -ENODEV : take_requests(worker);
			if (error)
				return error;
		}
	}
}

int worker_run(int device, int stop)
{
	struct worker worker = { .device = device, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	int error = worker.epoll < 0 ? -errno : 0;

	/* Exclusive: one request wakes one worker. */
	if (!error)
		error = watch(&worker, device, EPOLLIN | EPOLLEXCLUSIVE, &worker);
	if (!error)
		error = watch(&worker, stop, EPOLLIN, &stop);
	if (!error)
		error = loop(&worker, &stop);
	while (worker.jobs)
		forget(&worker, worker.jobs);
	if (worker.epoll >= 0)
		close(worker.epoll);
	return error;
}
