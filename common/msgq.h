/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue of messages from any thread to one, and how the sleeping receiver is woken: a lock-free
 * stack of the messages themselves, and an eventfd that senders write only when the receiver has
 * announced that it sleeps. So sending to a busy receiver costs one atomic operation and one load;
 * it never allocates, never fails, never blocks.
 *
 * Context: msgq_push() and msgq_wake(): any thread; everything else: the receiver.
 */
#ifndef COMMON_MSGQ_H
#define COMMON_MSGQ_H

#include <stdatomic.h>
#include <stdbool.h>

struct loop_msg {
	struct loop_msg *next;
	/* runs in the receiving loop's thread; may free or resend @msg */
	void (*fn)(struct loop_msg *msg);
};

struct msgq {
	/* a cache line that senders write and the receiver reads */
	_Alignas(64) _Atomic(struct loop_msg *) newest;
	_Atomic bool asleep; /* the next sender must write fd */
	int fd;		     /* eventfd, readable when somebody woke the receiver */
};

/* msgq_init() - Return: 0 or -errno; then msgq_done() is harmless */
int msgq_init(struct msgq *q);
void msgq_done(struct msgq *q);

/*
 * msgq_push() - @msg is the queue's until msgq_take() returns it; messages of one sender stay in
 * order
 */
void msgq_push(struct msgq *q, struct loop_msg *msg);
/*
 * msgq_wake() - after a sequentially consistent store that the receiver loads after msgq_sleep():
 * wakes it if it sleeps
 */
void msgq_wake(struct msgq *q);

/* msgq_take() - all messages there are, oldest first, linked by next; NULL when there are none */
struct loop_msg *msgq_take(struct msgq *q);
static inline bool msgq_empty(struct msgq *q)
{
	return !atomic_load_explicit(&q->newest, memory_order_relaxed);
}

/*
 * msgq_sleep() - announces that the receiver is about to wait for fd. Return: whether it may: false
 * when a message is there. Ended by msgq_awake() in either case. What is sent in between makes fd
 * readable, or makes this return false.
 */
bool msgq_sleep(struct msgq *q);
void msgq_awake(struct msgq *q);
/* msgq_clear() - makes fd unreadable again */
void msgq_clear(struct msgq *q);

#endif /* COMMON_MSGQ_H */
