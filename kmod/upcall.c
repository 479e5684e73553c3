// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/riptides-tls: handshakes for the TLS helper (uapi/riptides.h).
 *
 *   QUEUED --read()--> READ --ACCEPT--> ACCEPTED
 *   any --DONE, deadline, the application's close, the helper's--> over
 *
 * A handshake is pending while it has an id in `pending`. Who removes the id
 * under upcall_lock ends it: exactly one. upcall_lock is a leaf, taken in
 * process context only. `pending` holds a reference of each connection.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "conn.h"
#include "health.h"
#include "upcall.h"
#include "uapi/riptides.h"

static DEFINE_SPINLOCK(upcall_lock);
static DEFINE_IDR(pending);		/* upcall_lock: struct handshake by id */
static LIST_HEAD(queue);		/* upcall_lock: not read yet */
static bool helper;			/* upcall_lock: the device is open */
static DECLARE_WAIT_QUEUE_HEAD(helpers);

static struct conn *conn_of(struct handshake *handshake)
{
	return container_of(handshake, struct conn, handshake);
}

int upcall_submit(struct handshake *handshake)
{
	int id = -EHOSTDOWN;

	idr_preload(GFP_KERNEL);
	spin_lock(&upcall_lock);
	if (helper)
		id = idr_alloc_cyclic(&pending, handshake, 1, 0, GFP_NOWAIT);
	if (id > 0) {
		handshake->id = id;
		list_add_tail(&handshake->queue, &queue);
		conn_get(conn_of(handshake));
	}
	spin_unlock(&upcall_lock);
	idr_preload_end();
	if (id < 0)
		return id;
	atomic64_inc(&health.handshakes);
	wake_up_interruptible(&helpers);
	return 0;
}

/* Removes the id; true for the one caller who found it there. upcall_lock is held. */
static bool take(struct handshake *handshake)
{
	if (!handshake->id)
		return false;
	idr_remove(&pending, handshake->id);
	list_del_init(&handshake->queue);
	handshake->id = 0;
	return true;
}

/* For who took it. */
static void finish(struct handshake *handshake, int error)
{
	struct conn *conn = conn_of(handshake);

	handshake->error = error;
	smp_store_release(&handshake->over, true);
	conn_queue(conn, 0);
	conn_put(conn);
}

void upcall_finish(struct handshake *handshake, int error)
{
	bool taken;

	spin_lock(&upcall_lock);
	taken = take(handshake);
	spin_unlock(&upcall_lock);
	if (taken)
		finish(handshake, error);
}

/* The first one not read yet, with a reference of its connection. */
static struct handshake *dequeue(void)
{
	struct handshake *handshake;

	spin_lock(&upcall_lock);
	handshake = list_first_entry_or_null(&queue, struct handshake, queue);
	if (handshake) {
		list_del_init(&handshake->queue);
		conn_get(conn_of(handshake));
	}
	spin_unlock(&upcall_lock);
	return handshake;
}

static void requeue(struct handshake *handshake)
{
	spin_lock(&upcall_lock);
	if (handshake->id)
		list_add(&handshake->queue, &queue);
	spin_unlock(&upcall_lock);
	wake_up_interruptible(&helpers);
}

static bool is_waiting(void)
{
	return !list_empty_careful(&queue);
}

static int show(struct handshake *handshake, char __user *buffer)
{
	const struct injection *injection = conn_of(handshake)->injection;
	struct riptides_handshake request = { .alpn = "http/1.1" };
	long left = handshake->deadline - jiffies;

	request.id = READ_ONCE(handshake->id);
	request.deadline_ms = left > 0 ? jiffies_to_msecs(left) : 0;
	strscpy(request.host, injection->host, sizeof(request.host));
	strscpy(request.trust, injection->trust, sizeof(request.trust));
	return copy_to_user(buffer, &request, sizeof(request)) ? -EFAULT : 0;
}

static ssize_t upcall_read(struct file *file, char __user *buffer, size_t size, loff_t *position)
{
	struct handshake *handshake;
	int err;

	while (!(handshake = dequeue())) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible_exclusive(helpers, is_waiting()))
			return -ERESTARTSYS;
	}
	err = size < sizeof(struct riptides_handshake) ? -EMSGSIZE : show(handshake, buffer);
	if (err)
		requeue(handshake);
	conn_put(conn_of(handshake));
	return err ?: sizeof(struct riptides_handshake);
}

static __poll_t upcall_poll(struct file *file, struct poll_table_struct *wait)
{
	poll_wait(file, &helpers, wait);
	return is_waiting() ? EPOLLIN | EPOLLRDNORM : 0;
}

/* An id as the helper knows it; upcall_lock is held. */
static struct handshake *find(u64 id)
{
	return id && id <= INT_MAX ? idr_find(&pending, (int)id) : NULL;
}

static long accept(const u64 __user *argument)
{
	struct handshake *handshake;
	struct file *face = NULL;
	u64 id;
	int fd;

	if (copy_from_user(&id, argument, sizeof(id)))
		return -EFAULT;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	spin_lock(&upcall_lock);
	handshake = find(id);
	if (handshake && !handshake->accepted) {
		handshake->accepted = true;
		list_del_init(&handshake->queue);
		face = get_file(handshake->file);
	}
	spin_unlock(&upcall_lock);
	if (!face) {
		put_unused_fd(fd);
		return -ENOENT;
	}
	fd_install(fd, face);
	return fd;
}

static long done(const struct riptides_handshake_result __user *argument)
{
	struct riptides_handshake_result result;
	struct handshake *handshake;

	if (copy_from_user(&result, argument, sizeof(result)))
		return -EFAULT;
	if (result.reserved || result.error > 0 || result.error < -MAX_ERRNO)
		return -EINVAL;
	spin_lock(&upcall_lock);
	handshake = find(result.id);
	if (handshake)
		take(handshake);
	spin_unlock(&upcall_lock);
	if (!handshake)
		return -ENOENT;
	finish(handshake, result.error);
	return 0;
}

static long upcall_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	switch (command) {
	case RIPTIDES_TLS_ACCEPT:
		return accept((const u64 __user *)argument);
	case RIPTIDES_TLS_DONE:
		return done((const struct riptides_handshake_result __user *)argument);
	default:
		return -ENOTTY;
	}
}

static int upcall_open(struct inode *inode, struct file *file)
{
	bool busy;

	spin_lock(&upcall_lock);
	busy = helper;
	helper = true;
	spin_unlock(&upcall_lock);
	if (busy)
		return -EBUSY;
	atomic_set(&health.helper, 1);
	return stream_open(inode, file);
}

static struct handshake *take_any(void)
{
	struct handshake *handshake;
	int id = 0;

	spin_lock(&upcall_lock);
	handshake = idr_get_next(&pending, &id);
	if (handshake)
		take(handshake);
	spin_unlock(&upcall_lock);
	return handshake;
}

static int upcall_release(struct inode *inode, struct file *file)
{
	struct handshake *handshake;

	/* From here on submit fails, so what follows ends. */
	atomic_set(&health.helper, 0);
	spin_lock(&upcall_lock);
	helper = false;
	spin_unlock(&upcall_lock);
	while ((handshake = take_any()))
		finish(handshake, -EHOSTDOWN);
	return 0;
}

static const struct file_operations upcall_operations = {
	.owner = THIS_MODULE,
	.open = upcall_open,
	.release = upcall_release,
	.read = upcall_read,
	.poll = upcall_poll,
	.unlocked_ioctl = upcall_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice upcall_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "riptides-tls",
	.mode = 0600,
	.fops = &upcall_operations,
};

int upcall_init(void)
{
	return misc_register(&upcall_device);
}

/* No handshake is pending: each holds a module reference. */
void upcall_exit(void)
{
	misc_deregister(&upcall_device);
	idr_destroy(&pending);
}
