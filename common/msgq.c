// SPDX-License-Identifier: BSD-2-Clause
/*
 * Messages from any thread to one. The stack is taken as a whole and turned round, which keeps the
 * order of each sender, and makes it safe from nodes that are used again while somebody pushes.
 *
 * Thread: see msgq.h. Entry points: msgq_push(), msgq_take(), msgq_sleep().
 */
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/msgq.h"

int msgq_init(struct msgq *q)
{
	atomic_init(&q->newest, NULL);
	atomic_init(&q->asleep, false);
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return q->fd < 0 ? -errno : 0;
}

void msgq_done(struct msgq *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
}

void msgq_wake(struct msgq *q)
{
	uint64_t one = 1;

	/* the exchange: one write per sleep, however many send */
	if (!atomic_load(&q->asleep) || !atomic_exchange(&q->asleep, false))
		return;
	/* fails only when the counter is full, and then fd is readable as well */
	if (write(q->fd, &one, sizeof(one)) < 0)
		return;
}

void msgq_push(struct msgq *q, struct loop_msg *msg)
{
	struct loop_msg *head = atomic_load_explicit(&q->newest, memory_order_relaxed);

	/*
	 * The store of newest is ordered before the load of asleep in msgq_wake(), as the store of
	 * asleep is before the load of newest in msgq_sleep(): all four sequentially consistent, so
	 * at least one side sees the other. The store also publishes what the sender wrote into the
	 * message to msgq_take(), which acquires.
	 */
	do {
		msg->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&q->newest, &head, msg, memory_order_seq_cst, memory_order_relaxed));
	msgq_wake(q);
}

struct loop_msg *msgq_take(struct msgq *q)
{
	struct loop_msg *newest;
	struct loop_msg *oldest = NULL;

	/* the look first: an exchange would take the cache line from the senders every turn */
	if (msgq_empty(q))
		return NULL;
	newest = atomic_exchange_explicit(&q->newest, NULL, memory_order_acquire);
	while (newest) {
		struct loop_msg *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

bool msgq_sleep(struct msgq *q)
{
	atomic_store(&q->asleep, true);
	return !atomic_load(&q->newest);
}

void msgq_awake(struct msgq *q)
{
	atomic_store_explicit(&q->asleep, false, memory_order_relaxed);
}

void msgq_clear(struct msgq *q)
{
	uint64_t value;

	/* nothing to read: it was not readable */
	if (read(q->fd, &value, sizeof(value)) < 0)
		return;
}
