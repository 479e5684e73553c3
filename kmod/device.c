// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/riptides: one opener, one frame a write, one frame a read.
 *
 * A session:
 *
 *   NEW --HELLO--> OPEN --SHUTDOWN--> ENDED      (message.c moves it)
 *   any --close--> gone; bindings, contents, blob and events stay
 *
 * Locks, outermost first:
 *   write_lock    one frame at a time, over its whole effect
 *   read_lock     one reader at a time, over copying a frame out
 *   replies_lock  a leaf: the list of replies
 * write_lock and read_lock are never held together.
 */
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "device.h"
#include "events.h"
#include "health.h"
#include "message.h"

#define REPLIES_MAX	16
#define FRAME_MAX	(sizeof(struct riptides_header) + RIPTIDES_BLOB_MAX)

struct reply {
	struct list_head node;
	void *frame;
};

struct session {
	struct mutex write_lock;		/* one frame at a time */
	struct mutex read_lock;			/* one reader at a time */
	struct conversation *conversation;	/* write_lock */
	spinlock_t replies_lock;		/* the list of replies */
	struct list_head replies;		/* replies_lock */
	unsigned int reply_count;		/* replies_lock */
	bool ended;				/* set once */
};

static unsigned long opened;
static DECLARE_WAIT_QUEUE_HEAD(readers);

void device_wake(void)
{
	wake_up_interruptible(&readers);
}

bool device_has_agent(void)
{
	return test_bit(0, &opened);
}

static void frame_free(void *frame)
{
	struct riptides_header *header = frame;

	kvfree_sensitive(frame, le32_to_cpu(header->length));
}

int device_reply(struct session *session, void *frame)
{
	struct reply *reply = kmalloc(sizeof(*reply), GFP_KERNEL);
	int err = reply ? 0 : -ENOMEM;

	if (reply) {
		reply->frame = frame;
		spin_lock(&session->replies_lock);
		if (session->reply_count < REPLIES_MAX) {
			list_add_tail(&reply->node, &session->replies);
			session->reply_count++;
		} else {
			err = -ENOBUFS;
		}
		spin_unlock(&session->replies_lock);
	}
	if (err) {
		kfree(reply);
		frame_free(frame);
		return err;
	}
	device_wake();
	return 0;
}

void device_end(struct session *session)
{
	WRITE_ONCE(session->ended, true);
	device_wake();
}

static struct reply *first_reply(struct session *session)
{
	struct reply *reply;

	spin_lock(&session->replies_lock);
	reply = list_first_entry_or_null(&session->replies, struct reply, node);
	spin_unlock(&session->replies_lock);
	return reply;
}

static void drop_reply(struct session *session, struct reply *reply)
{
	spin_lock(&session->replies_lock);
	list_del(&reply->node);
	session->reply_count--;
	spin_unlock(&session->replies_lock);
	frame_free(reply->frame);
	kfree(reply);
}

static bool is_readable(struct session *session)
{
	if (READ_ONCE(session->ended) || first_reply(session))
		return true;
	return conversation_is_open(session->conversation) && events_waiting();
}

static ssize_t copy_frame(char __user *buffer, size_t size, const void *frame, size_t length)
{
	if (size < length)
		return -EMSGSIZE;
	return copy_to_user(buffer, frame, length) ? -EFAULT : length;
}

/* The next frame; -EAGAIN when there is none, 0 at the end. read_lock is held. */
static ssize_t read_frame(struct session *session, char __user *buffer, size_t size)
{
	struct reply *reply = first_reply(session);
	struct riptides_header *header;
	union event_frame event;
	ssize_t result;
	size_t length;

	if (reply) {
		header = reply->frame;
		result = copy_frame(buffer, size, header, le32_to_cpu(header->length));
		if (result > 0)
			drop_reply(session, reply);
		return result;
	}
	if (READ_ONCE(session->ended))
		return 0;
	if (!conversation_is_open(session->conversation))
		return -EAGAIN;
	length = events_peek(&event);
	if (!length)
		return -EAGAIN;
	result = copy_frame(buffer, size, &event, length);
	if (result > 0)
		events_pop();
	return result;
}

static ssize_t device_read(struct file *file, char __user *buffer, size_t size, loff_t *position)
{
	struct session *session = file->private_data;
	ssize_t result;

	for (;;) {
		if (mutex_lock_interruptible(&session->read_lock))
			return -ERESTARTSYS;
		result = read_frame(session, buffer, size);
		mutex_unlock(&session->read_lock);
		if (result != -EAGAIN || file->f_flags & O_NONBLOCK)
			return result;
		if (wait_event_interruptible(readers, is_readable(session)))
			return -ERESTARTSYS;
	}
}

static ssize_t device_write(struct file *file, const char __user *buffer, size_t size,
			    loff_t *position)
{
	struct session *session = file->private_data;
	void *frame;
	int err;

	if (size < sizeof(struct riptides_header) || size > FRAME_MAX) {
		atomic64_inc(&health.malformed);
		return -EMSGSIZE;
	}
	frame = kvmalloc(size, GFP_KERNEL);
	if (!frame)
		return -ENOMEM;
	err = -EFAULT;
	if (copy_from_user(frame, buffer, size))
		goto out;
	err = -ERESTARTSYS;
	if (mutex_lock_interruptible(&session->write_lock))
		goto out;
	err = conversation_accept(session->conversation, frame, size);
	mutex_unlock(&session->write_lock);
	if (err)
		atomic64_inc(&health.malformed);
out:
	kvfree_sensitive(frame, size);
	return err ?: size;
}

static __poll_t device_poll(struct file *file, struct poll_table_struct *wait)
{
	struct session *session = file->private_data;
	__poll_t mask = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &readers, wait);
	if (is_readable(session))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(session->ended))
		mask |= EPOLLHUP;
	return mask;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct session *session;
	int err = -ENOMEM;

	if (test_and_set_bit(0, &opened))
		return -EBUSY;
	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		goto fail;
	mutex_init(&session->write_lock);
	mutex_init(&session->read_lock);
	spin_lock_init(&session->replies_lock);
	INIT_LIST_HEAD(&session->replies);
	session->conversation = conversation_new(session);
	if (!session->conversation)
		goto fail;
	file->private_data = session;
	return stream_open(inode, file);
fail:
	kfree(session);
	clear_bit(0, &opened);
	return err;
}

static int device_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;
	struct reply *reply;

	while ((reply = first_reply(session)))
		drop_reply(session, reply);
	conversation_free(session->conversation);
	kfree(session);
	clear_bit_unlock(0, &opened);
	return 0;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.read = device_read,
	.write = device_write,
	.poll = device_poll,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "riptides",
	.mode = 0600,
	.fops = &device_operations,
};

int device_init(void)
{
	return misc_register(&device);
}

void device_exit(void)
{
	misc_deregister(&device);
}
