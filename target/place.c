// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which core a queue lives on. The main thread measures the cores once a second, as long as there
 * are connections: a core's load is the share of its time in turns that found work, so spinning
 * does not count. A new connection goes to the core with the least load. When Connect says that it
 * is an I/O queue, the queues of one controller spread over the cores first, and the load decides
 * among those that have as many.
 *
 * When one core was saturated for some seconds and another has room, the main thread asks it to let
 * a queue go, and the core picks the one that brings both closest together. It does so only when
 * the busier of the two will be clearly better off, so nothing goes back and forth; and a core with
 * one busy queue keeps it, as moving would only move the problem.
 *
 * Threads: as each says. Entry points: nvmet_place_accept(), nvmet_place_connected(), and from
 * timers the rest.
 */
#include "target/place.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "target/conn.h"
#include "target/subsys.h"

enum {
	TICK_MS = 1000,
	LOAD_STEP = 10, /* loads that differ by less are alike for a new connection */
};

static struct loop_timer tick_timer; /* the main thread's, as is all of these */
static uint64_t ticked_ns;	     /* 0: there is nothing yet to compare with */
static struct nvmet_balance balance;

static uint32_t load_of(struct nvmet_core *core)
{
	return atomic_load_explicit(&core->place.load, memory_order_relaxed);
}

/* ---- new connections ---- */

struct nvmet_core *nvmet_place_accept(void)
{
	struct nvmet_core *best = NULL;
	uint32_t best_nr = 0, best_load = 0;

	for (int i = 0; i < nvmet.nr_cores; i++) {
		struct nvmet_core *core = nvmet.cores[i];
		uint32_t nr = atomic_load_explicit(&core->nr_conns, memory_order_relaxed);
		uint32_t load = load_of(core) / LOAD_STEP;

		if (nr >= MAX_CONNS_PER_CORE)
			continue;
		if (best && (load > best_load || (load == best_load && nr >= best_nr)))
			continue;
		best = core;
		best_nr = nr;
		best_load = load;
	}
	if (best && tick_timer.ev && !tick_timer.armed) {
		ticked_ns = 0;
		loop_timer_start(&tick_timer, TICK_MS);
	}
	return best;
}

void nvmet_place_settle(struct nvmet_sq *sq, struct nvmet_core *core)
{
	if (sq->place == core)
		return;
	if (sq->place)
		sq->place->place.nr_io--;
	if (core) {
		core->place.nr_io++;
		core->place.nr_fresh++;
	}
	sq->place = core;
}

/* How good a core is for an I/O queue: less is better, the first that differs decides. */
struct suit {
	uint32_t siblings; /* of the same controller */
	uint32_t load;	   /* in steps of what a queue is thought to bring */
	uint32_t nr_io;
};

static struct suit suit_of(const struct nvmet_sq *sq, struct nvmet_core *core,
			   const uint32_t *siblings)
{
	uint32_t fresh = core->place.nr_fresh + core->place.nr_fresh_before;

	if (sq->place == core)
		fresh -= min_of(fresh, 1u);
	return (struct suit){
		.siblings = siblings[core->index],
		.load = load_of(core) / NVMET_LOAD_NEW_QUEUE + fresh,
		.nr_io = core->place.nr_io - (sq->place == core),
	};
}

static bool suits_better(const struct suit *a, const struct suit *b)
{
	if (a->siblings != b->siblings)
		return a->siblings < b->siblings;
	if (a->load != b->load)
		return a->load < b->load;
	return a->nr_io < b->nr_io;
}

/* The lock is held. */
static struct nvmet_core *core_for(const struct nvmet_sq *sq)
{
	uint32_t siblings[MAX_CORES] = { 0 };
	struct nvmet_core *best = sq->core;
	struct suit best_suit;

	for (unsigned int i = 1; i < ARRAY_SIZE(sq->ctrl->sqs); i++) {
		const struct nvmet_sq *other = sq->ctrl->sqs[i];

		if (other && other != sq && other->place)
			siblings[other->place->index]++;
	}
	best_suit = suit_of(sq, best, siblings);
	for (int i = 0; i < nvmet.nr_cores; i++) {
		struct suit suit = suit_of(sq, nvmet.cores[i], siblings);

		if (atomic_load_explicit(&nvmet.cores[i]->nr_conns, memory_order_relaxed) >=
		    MAX_CONNS_PER_CORE)
			continue;
		if (suits_better(&suit, &best_suit)) {
			best = nvmet.cores[i];
			best_suit = suit;
		}
	}
	return best;
}

void nvmet_place_connected(struct nvmet_sq *sq)
{
	struct nvmet_core *core;

	nvmet_lock();
	core = nvmet.cfg && nvmet.cfg->daemon.balance ? core_for(sq) : sq->core;
	nvmet_place_settle(sq, core);
	nvmet_unlock();
	if (core != sq->core && sq->ops->move)
		sq->ops->move(sq, core);
}

/* ---- balancing: what to do ---- */

bool nvmet_balance_step(struct nvmet_balance *b, const uint32_t *load, int nr, int *from, int *to)
{
	int most = 0, least = 0;

	for (int i = 1; i < nr; i++) {
		if (load[i] > load[most])
			most = i;
		if (load[i] < load[least])
			least = i;
	}
	if (load[most] < NVMET_LOAD_SATURATED || load[most] - load[least] < NVMET_LOAD_GAP) {
		b->ticks = 0;
		return false;
	}
	if (b->ticks && b->busiest != most)
		b->ticks = 0;
	b->busiest = most;
	if (++b->ticks < NVMET_BALANCE_TICKS)
		return false;
	/* The move takes effect within the next second, so only the one after it tells. */
	b->ticks = NVMET_BALANCE_TICKS - NVMET_BALANCE_AGAIN;
	*from = most;
	*to = least;
	return true;
}

/* How far from even the two cores will be, in points; -1: moving does not help enough. */
static int unevenness(uint32_t share, uint32_t load, uint32_t load_to)
{
	int gap = (int)load - (int)load_to;

	/* The busier core of the two is the old one with load - share, or the new one. */
	if ((int)share > gap - NVMET_LOAD_GAIN || share < NVMET_LOAD_BUSY_QUEUE)
		return -1;
	return abs(gap - 2 * (int)share);
}

struct nvmet_conn *nvmet_balance_queue(struct nvmet_core *core, uint32_t load, uint32_t load_to)
{
	uint64_t now_ns = clock_now_ns(), total = 0;
	struct nvmet_conn *best = NULL;
	int nr_busy = 0, best_uneven = 0;
	struct list *pos;

	list_for_each(pos, &core->conns)
		total += list_entry(pos, struct nvmet_conn, link)->move.rate;
	if (!total)
		return NULL;
	list_for_each(pos, &core->conns) {
		struct nvmet_conn *conn = list_entry(pos, struct nvmet_conn, link);
		uint32_t share = (uint32_t)(load * conn->move.rate / total);
		int uneven = unevenness(share, load, load_to);

		nr_busy += share >= NVMET_LOAD_BUSY_QUEUE;
		if (uneven < 0 || (best && uneven >= best_uneven) || !nvmet_move_may(conn, now_ns))
			continue;
		best = conn;
		best_uneven = uneven;
	}
	return nr_busy >= 2 ? best : NULL;
}

/* ---- balancing: who does it ---- */

void nvmet_place_tick(struct nvmet_core *core)
{
	struct list *pos;

	list_for_each(pos, &core->conns) {
		struct nvmet_conn *conn = list_entry(pos, struct nvmet_conn, link);

		conn->move.rate = conn->sq.work - conn->move.work_before;
		conn->move.work_before = conn->sq.work;
	}
}

static void ask_msg(struct loop_msg *msg)
{
	struct nvmet_core *core = container_of(msg, struct nvmet_core, place.ask);
	int to = core->place.ask_to;
	uint32_t load = core->place.ask_load, load_to = core->place.ask_load_to;
	struct nvmet_conn *conn;

	atomic_store(&core->place.asked, false);
	conn = nvmet_balance_queue(core, load, load_to);
	if (conn && !nvmet_move_start(conn, nvmet.cores[to]))
		log_debug(
			"queue is to move peer=%s qid=%u from=%d to=%d load=%u load_to=%u rate=%" PRIu64,
			conn->peer_text, conn->sq.qid, core->index, to, load, load_to,
			conn->move.rate);
}

static void ask(struct nvmet_core *core, int to, const uint32_t *load)
{
	if (atomic_exchange(&core->place.asked, true))
		return;
	core->place.ask_to = to;
	core->place.ask_load = load[core->index];
	core->place.ask_load_to = load[to];
	loop_send(core->loop, &core->place.ask);
}

/* Return: the load of the time since the last call, in percent. */
static uint32_t measure(struct nvmet_core *core, uint64_t since_ns)
{
	struct loop_stats st;
	uint64_t busy_ns;

	loop_get_stats(core->loop, &st);
	busy_ns = st.busy_ns - core->place.busy_ns;
	core->place.busy_ns = st.busy_ns;
	return since_ns ? (uint32_t)min_of(busy_ns * 100 / since_ns, (uint64_t)100) : 0;
}

static void tick(struct loop_timer *t)
{
	uint64_t now_ns = clock_now_ns(), since_ns = ticked_ns ? now_ns - ticked_ns : 0;
	uint32_t load[MAX_CORES], nr_conns = 0;
	int from, to;

	nvmet_lock();
	for (int i = 0; i < nvmet.nr_cores; i++) {
		struct nvmet_core *core = nvmet.cores[i];

		load[i] = measure(core, since_ns);
		atomic_store_explicit(&core->place.load, load[i], memory_order_relaxed);
		core->place.nr_fresh_before = core->place.nr_fresh;
		core->place.nr_fresh = 0;
		nr_conns += atomic_load_explicit(&core->nr_conns, memory_order_relaxed);
	}
	nvmet_unlock();
	ticked_ns = now_ns;
	if (nvmet_balance_step(&balance, load, nvmet.nr_cores, &from, &to))
		ask(nvmet.cores[from], to, load);
	/* Without connections there is no load; the next one starts it again. */
	if (nr_conns) {
		loop_timer_start(t, TICK_MS);
		return;
	}
	for (int i = 0; i < nvmet.nr_cores; i++)
		atomic_store_explicit(&nvmet.cores[i]->place.load, 0, memory_order_relaxed);
}

/* ---- life ---- */

int nvmet_place_init(struct nvmet_core *core)
{
	list_init(&core->place.movers);
	core->place.ask.fn = ask_msg;
	return loop_timer_init(core->loop, &core->place.timer, nvmet_move_timeout);
}

void nvmet_place_done(struct nvmet_core *core)
{
	loop_timer_done(&core->place.timer);
}

int nvmet_place_start(void)
{
	if (!nvmet.cfg->daemon.balance || nvmet.nr_cores < 2)
		return 0;
	balance = (struct nvmet_balance){ 0 };
	return loop_timer_init(nvmet.main_loop, &tick_timer, tick);
}

void nvmet_place_stop(void)
{
	uint64_t moved = 0, stayed = 0;

	loop_timer_done(&tick_timer);
	for (int i = 0; i < nvmet.nr_cores; i++) {
		moved += atomic_load(&nvmet.cores[i]->place.nr_moved);
		stayed += atomic_load(&nvmet.cores[i]->place.nr_stayed);
	}
	if (moved || stayed)
		log_info("queues moved between cores moved=%" PRIu64 " given_up=%" PRIu64, moved,
			 stayed);
}
