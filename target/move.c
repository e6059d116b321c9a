// SPDX-License-Identifier: BSD-2-Clause
/*
 * A queue goes from one core to another, its connection with it. Requests and buffers belong to
 * their core, so none of them moves: the old core begins no command any more, lets the outstanding
 * ones end, and when the last response is out, hands over the connection by message. What the host
 * sent meanwhile waits in the socket and the stash.
 *
 * A write that waits for the host's data ends only when that is read, and before it in the stream
 * may come more commands. So as long as there is such a write, commands without data are held, as
 * they came, and those with data in their capsule are done after all; then the receiver pauses at
 * the next command.
 *
 * Who may touch sq->core: see target/req.h. The hand-over happens under nvmet.lock, and the message
 * is sent before it is released: whoever closes the queue from another thread finds either the old
 * core, and the move is off, or the new one, which gets the connection before the close.
 *
 * Runs on the core that owns the connection. Entry points: nvmet_move_start(), nvmet_move_hold(),
 * nvmet_move_idle(), nvmet_move_replay(), nvmet_move_forget().
 */
#include "target/move.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/conn.h"
#include "target/subsys.h"

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void drop_held(struct nvmet_conn *conn)
{
	free(conn->move.held);
	conn->move.held = NULL;
	conn->move.nr_held = conn->move.nr_replayed = 0;
}

/* Not about to move any more; what is held stays. */
static void leave_movers(struct nvmet_conn *conn)
{
	conn->move.to = NULL;
	list_del(&conn->move.link);
	loop_work_cancel(&conn->move.work);
}

void nvmet_move_forget(struct nvmet_conn *conn)
{
	leave_movers(conn);
	drop_held(conn);
}

/* Here, or on the new core: commands are begun again. */
static void go_on(struct nvmet_conn *conn)
{
	if (conn->state != CONN_LIVE) {
		drop_held(conn);
		return;
	}
	/* A payload that waits for a buffer goes on with it, and so does all the rest. */
	if (conn->paused && conn->rx_req)
		return;
	conn->paused = true;
	nvmet_conn_resume(conn);
}

/* ---- what is held ---- */

bool nvmet_move_hold(struct nvmet_conn *conn, const struct nvme_sqe *sqe)
{
	struct nvmet_move *mv = &conn->move;

	if (!mv->held)
		mv->held = malloc(conn->sq.size * sizeof(*mv->held));
	if (!mv->held)
		return false;
	assert(mv->nr_held < conn->sq.size);
	mv->held[mv->nr_held++] = *sqe;
	return true;
}

bool nvmet_move_replay(struct nvmet_conn *conn)
{
	struct nvmet_move *mv = &conn->move;

	if (mv->to)
		return true; /* later */
	while (mv->nr_replayed < mv->nr_held && conn->state == CONN_LIVE) {
		if (!nvmet_tcp_begin(conn, &mv->held[mv->nr_replayed]))
			return false;
		mv->nr_replayed++;
	}
	drop_held(conn);
	return true;
}

/* ---- the new core ---- */

static void arrive_msg(struct loop_msg *msg)
{
	struct nvmet_conn *conn = container_of(msg, struct nvmet_conn, move.msg);
	uint64_t now_ns = clock_now_ns();

	log_debug("queue moved peer=%s cntlid=%u qid=%u from=%d to=%d took_us=%" PRIu64 " held=%u",
		  conn->peer_text, conn->sq.ctrl->cntlid, conn->sq.qid, conn->move.from,
		  conn->sq.core->index, (now_ns - conn->move.since_ns) / 1000, conn->move.nr_held);
	conn->move.since_ns = now_ns;
	nvmet_conn_join(conn);
	go_on(conn);
}

/* ---- the old core ---- */

static void hand_over(struct nvmet_conn *conn)
{
	struct nvmet_core *from = conn->sq.core, *to = conn->move.to;

	nvmet_lock();
	if (atomic_load(&conn->close_sent)) {
		nvmet_unlock(); /* the message to close it is on its way to this core */
		nvmet_move_forget(conn);
		return;
	}
	leave_movers(conn);
	nvmet_conn_part(conn);
	conn->move.from = from->index;
	conn->move.msg.fn = arrive_msg;
	conn->sq.core = to;
	count(&from->place.nr_moved);
	/* The main thread sums these under the lock. */
	atomic_fetch_add_explicit(&to->nr_conns, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&from->nr_conns, 1, memory_order_release);
	loop_send(to->loop, &conn->move.msg);
	nvmet_unlock();
}

static void move_work(struct loop_work *w)
{
	struct nvmet_conn *conn = container_of(w, struct nvmet_conn, move.work);

	if (conn->state != CONN_LIVE)
		nvmet_move_forget(conn);
	else if (!conn->sq.outstanding && pdu_txq_empty(&conn->txq))
		hand_over(conn);
	/* Otherwise nvmet_move_idle() comes again when the next request ends. */
}

void nvmet_move_idle(struct nvmet_conn *conn)
{
	loop_defer(conn->sq.core->loop, &conn->move.work);
}

bool nvmet_move_may(const struct nvmet_conn *conn, uint64_t now_ns)
{
	const struct nvmet_move *mv = &conn->move;

	return conn->sq.qid && conn->state == CONN_LIVE && !mv->to &&
	       (!mv->since_ns || now_ns > mv->since_ns + NVMET_MOVE_AGAIN_S * 1000000000ull);
}

int nvmet_move_start(struct nvmet_conn *conn, struct nvmet_core *to)
{
	struct nvmet_place *place = &conn->sq.core->place;

	if (conn->state != CONN_LIVE || !conn->sq.qid || conn->move.to || to == conn->sq.core)
		return -EINVAL;
	if (atomic_load_explicit(&to->nr_conns, memory_order_relaxed) >= MAX_CONNS_PER_CORE)
		return -ENOSPC;
	nvmet_lock();
	nvmet_place_settle(&conn->sq, to);
	nvmet_unlock();
	conn->move.to = to;
	conn->move.since_ns = clock_now_ns();
	list_add_tail(&place->movers, &conn->move.link);
	if (!place->timer.armed)
		loop_timer_start(&place->timer, NVMET_MOVE_TIMEOUT_MS);
	nvmet_move_idle(conn);
	return 0;
}

static void give_up(struct nvmet_conn *conn)
{
	struct nvmet_core *core = conn->sq.core;

	log_debug("queue stays, it does not come to rest peer=%s qid=%u core=%d outstanding=%u",
		  conn->peer_text, conn->sq.qid, core->index, conn->sq.outstanding);
	count(&core->place.nr_stayed);
	conn->move.since_ns = clock_now_ns(); /* the next attempt is counted from here */
	nvmet_lock();
	nvmet_place_settle(&conn->sq, core);
	nvmet_unlock();
	leave_movers(conn);
	go_on(conn);
}

void nvmet_move_timeout(struct loop_timer *t)
{
	struct nvmet_core *core = container_of(t, struct nvmet_core, place.timer);
	uint64_t now_ns = clock_now_ns(), timeout_ns = NVMET_MOVE_TIMEOUT_MS * 1000000ull;

	while (!list_empty(&core->place.movers)) {
		struct nvmet_conn *conn =
			list_first(&core->place.movers, struct nvmet_conn, move.link);
		uint64_t age_ns = now_ns - conn->move.since_ns;

		if (now_ns > conn->move.since_ns && age_ns >= timeout_ns) {
			give_up(conn);
			continue;
		}
		loop_timer_start(t, (uint32_t)div_up(timeout_ns - age_ns, 1000000u));
		return;
	}
}

void nvmet_move_init(struct nvmet_conn *conn)
{
	list_init(&conn->move.link);
	loop_work_init(&conn->move.work, move_work);
}
