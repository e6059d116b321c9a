// SPDX-License-Identifier: BSD-2-Clause
/*
 * The multipath controller when everything happens at once, from a seed: paths lost at any moment
 * (commands sent, executed or not, answered or not), back, added and removed, ANA states changed.
 * Every request is completed exactly once without an error, and the blocks hold what was written
 * last, though a lost controller executes what it had at any time until it is quiet. SEED=N repeats
 * a run.
 */
#include "tests/unit/mpath_rig.h"

enum {
	PATHS = 4,
	IOS = 24, /* each has its own block and its own value */
	ROUNDS = 20000,
	STALE = 512,
};

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)((rng_state >> 16) % below);
}

/* What a lost controller still has: @until its fence is through it may be executed. */
struct stale {
	struct nvme_sqe sqe;
	uint8_t data[512];
	uint8_t path;
	uint32_t assoc;
};

struct load {
	struct rig rig;
	struct rig_io io[IOS];
	uint8_t value[IOS];   /* being written */
	uint8_t written[IOS]; /* completed last */
	bool busy[IOS];
	uint8_t interrupted[IOS]; /* times, as the library repeats that only so often */
	struct stale stale[STALE];
	uint32_t nr_stale;
	uint64_t nr_done;
	uint64_t nr_lost;
};

static void start_one(struct load *l, uint32_t i)
{
	struct nvmh_queue *q = nvmh_ctrl_queue(l->rig.ctrl, i % 2);

	if (rng(3)) {
		l->value[i]++;
		rig_prep(&l->io[i], nvme_cmd_write, 1, i, l->value[i]);
	} else {
		rig_prep(&l->io[i], nvme_cmd_read, 1, i, 0xee);
	}
	l->interrupted[i] = 0;
	l->busy[i] = !nvmh_queue_submit(q, &l->io[i].req);
	if (rng(4))
		nvmh_queue_commit(q);
}

static void check_one(struct load *l, uint32_t i)
{
	struct rig_io *io = &l->io[i];

	if (!l->busy[i] || !io->nr_done)
		return;
	assert_int_equal(io->nr_done, 1);
	assert_int_equal(io->req.status, 0);
	if (io->req.sqe.opcode == nvme_cmd_write)
		l->written[i] = l->value[i];
	else
		assert_int_equal(io->data[0], l->written[i]);
	l->busy[i] = false;
	l->nr_done++;
}

/* The connection goes: what the controller had it may execute now, later, or never. */
static void lose(struct load *l, uint32_t path)
{
	struct fake_path *p = &fake_path[path];
	uint32_t i;

	for (i = 0; i < FAKE_PATH_CMDS && l->nr_stale < STALE; i++) {
		struct stale *s = &l->stale[l->nr_stale];

		if (!p->cmd[i].req || p->cmd[i].answered || p->cmd[i].sqe.opcode != nvme_cmd_write)
			continue;
		s->sqe = p->cmd[i].sqe;
		memcpy(s->data, p->cmd[i].data, 512);
		s->path = (uint8_t)path;
		s->assoc = p->ctrl->assoc;
		l->nr_stale++;
	}
	l->nr_lost++;
	p->unreachable = rng(2);
	fake_path_lose(p);
}

/* A lost controller that is not known to be quiet executes something. */
static void haunt(struct load *l)
{
	const struct mpath *mp = mpath_of(l->rig.ctrl);
	struct stale *s;

	if (!l->nr_stale)
		return;
	s = &l->stale[rng(l->nr_stale)];
	if ((int32_t)(atomic_load(&mp->slot[s->path].fenced) - s->assoc) < 0)
		fake_path_execute(&s->sqe, s->data, NULL);
	*s = l->stale[--l->nr_stale];
}

static void happen(struct load *l)
{
	static const uint8_t states[] = { NVME_ANA_STATE_OPTIMIZED, NVME_ANA_STATE_NONOPTIMIZED,
					  NVME_ANA_STATE_INACCESSIBLE, NVME_ANA_STATE_CHANGE };
	struct fake_path *p = &fake_path[rng(PATHS)];
	struct fake_path_cmd *cmd;
	uint32_t block;
	uint8_t state;

	switch (rng(40)) {
	case 0:
		if (p->ctrl && nvmh_ctrl_state(p->ctrl) == NVMH_LIVE && !p->broken)
			lose(l, (uint32_t)(p - fake_path));
		break;
	case 1:
	case 2:
	case 3:
		p->unreachable = false;
		/* at once: pauses get longer with each loss, and little would happen in the end */
		if (p->ctrl)
			p->ctrl->pause_until_ns = 0;
		break;
	case 4:
		/* one path always stays good, that the test ends */
		state = states[rng(4)];
		fake_path_set_ana(p, p == fake_path ? &states[0] : &state, 1);
		if (p->ctrl)
			fake_path_event(p, NVME_LOG_LID_ANA << 16 | NVME_AER_NOTICE_ANA << 8 |
						   NVME_AER_NOTICE);
		break;
	case 5:
	case 6:
		haunt(l);
		break;
	default:
		cmd = fake_path_find(p);
		if (!cmd || !cmd->committed)
			break;
		block = le32_get(cmd->sqe.cdw10);
		if (l->interrupted[block] == MPATH_MAX_TRIES || rng(8)) {
			fake_path_answer(cmd, 0);
		} else {
			l->interrupted[block]++;
			fake_path_answer(cmd, ST_CMD_INTERRUPTED);
		}
	}
}

static void test_mpath_load_nothing_lost_doubled_or_stale(void **state)
{
	struct nvmh_mpath_opts opts = { .iopolicy = NVMH_IOPOLICY_ROUND_ROBIN };
	const char *seed = getenv("SEED");
	struct load *l = calloc(1, sizeof(*l));
	uint32_t i, round;

	(void)state;
	rng_state = seed ? strtoull(seed, NULL, 0) : clock_now_ns();
	print_message("SEED=%#llx\n", (unsigned long long)rng_state);
	assert_non_null(l);
	fake_path_init();
	for (i = 0; i < PATHS; i++) {
		fake_path[i].by_hand = true;
		fake_path_set_ana(&fake_path[i], (uint8_t[]){ NVME_ANA_STATE_OPTIMIZED }, 1);
	}
	rig_open_up(&l->rig, PATHS, &opts);
	for (round = 0; round < ROUNDS; round++) {
		i = rng(IOS);
		if (!l->busy[i])
			start_one(l, i);
		happen(l);
		rig_turn(&l->rig);
		for (i = 0; i < IOS; i++)
			check_one(l, i);
	}
	for (i = 0; i < PATHS; i++) {
		fake_path[i].unreachable = fake_path[i].by_hand = false;
		nvmh_queue_commit(nvmh_ctrl_queue(l->rig.ctrl, i % 2));
	}
	for (i = 0; i < IOS; i++) {
		rig_until(&l->rig, !l->busy[i] || l->io[i].nr_done);
		check_one(l, i);
	}
	while (l->nr_stale)
		haunt(l);
	for (i = 0; i < IOS; i++)
		assert_int_equal(fake_path_blocks[0][i][0], l->written[i]);
	print_message("%llu requests, %llu losses\n", (unsigned long long)l->nr_done,
		      (unsigned long long)l->nr_lost);
	assert_true(l->nr_done > 200 && l->nr_lost > 20);
	rig_close(&l->rig);
	free(l);
}

#define load_test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		load_test(test_mpath_load_nothing_lost_doubled_or_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
