// SPDX-License-Identifier: BSD-2-Clause
/*
 * nvmh-io verify: random writes and reads of all sizes over all queues, from a seed. What a block
 * must hold follows from the seed, its address and how often it was written, so every read is
 * checked, whichever queue it goes over; no two outstanding commands touch the same block. In the
 * end every block that was written is read back. `readback` replays the choices without the I/O and
 * does that last part alone: after a restart, or over another transport.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/util.h"
#include "tests/e2e/nvmh_io.h"

enum {
	PAGE = 4096,
	RETRY_MS = 120000, /* without any answer, with --retry */
};

struct verify;

/* One command. */
struct slot {
	struct verify *v;
	struct nvmh_req req;
	struct iovec iov[2];
	uint8_t *buf;
	uint64_t block; /* in the range */
	uint32_t blocks;
	bool writing;
	bool busy;
	bool sent; /* the library has it */
};

struct verify {
	struct io *io;
	uint64_t rng;
	uint64_t nr_blocks; /* of the range */
	uint32_t *written;  /* how often each was */
	uint8_t *in_use;    /* by an outstanding command */
	struct {
		uint64_t block;
		uint32_t blocks;
		bool writing;
		bool valid;
	} next; /* command, drawn but not started */
	struct slot *slots;
	uint32_t nr_slots;
	uint64_t started;
	uint64_t done;
	uint64_t repeated;
	uint64_t next_reset; /* when so many are done */
	uint64_t resets;
	uint64_t read_back; /* blocks */
	uint64_t last_answer_ms;
	bool failed;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t rng(struct verify *v, uint64_t below)
{
	v->rng += UINT64_C(0x9e3779b97f4a7c15);
	return mix(v->rng) % below;
}

static void fill(const struct verify *v, uint64_t block, uint8_t *buf)
{
	uint64_t x = mix(v->io->seed ^ mix(block + 1) ^ mix((uint64_t)v->written[block] << 40));
	uint32_t i;

	for (i = 0; i < v->io->lba_size; i += sizeof(x)) {
		memcpy(buf + i, &x, sizeof(x));
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	}
}

static bool check(struct verify *v, const struct slot *s)
{
	uint32_t size = v->io->lba_size;
	uint8_t want[PAGE * 16];
	uint32_t i, at;

	for (i = 0; i < s->blocks; i++) {
		const uint8_t *got = s->buf + (size_t)i * size;

		if (!v->written[s->block + i])
			continue;
		fill(v, s->block + i, want);
		if (!memcmp(got, want, size))
			continue;
		for (at = 0; got[at] == want[at]; at++)
			;
		nvmh_io_fail(
			"block %llu differs at byte %u: %02x, expected %02x (written %u times, command of %u "
			"blocks from %llu)",
			(unsigned long long)(v->io->start + s->block + i), at, got[at], want[at],
			v->written[s->block + i], s->blocks,
			(unsigned long long)(v->io->start + s->block));
		return false;
	}
	return true;
}

static void set_in_use(struct verify *v, const struct slot *s, uint8_t value)
{
	memset(v->in_use + s->block, value, s->blocks);
}

static void slot_done(struct nvmh_req *req)
{
	struct slot *s = req->arg;
	struct verify *v = s->v;

	s->sent = false;
	v->last_answer_ms = clock_now_ms();
	if (v->failed)
		return;
	if (req->status) {
		if (v->io->retry && !(req->status & ST_DNR)) {
			v->repeated++;
			return; /* still busy: it is sent again */
		}
		nvmh_io_fail_status(s->writing ? "write" : "read", req->status);
		v->failed = true;
	} else if (!s->writing && !check(v, s)) {
		v->failed = true;
	}
	set_in_use(v, s, 0);
	s->busy = false;
	v->done++;
}

/* The data lies in two pieces, cut between pages where there is more than one. */
static void slot_send(struct verify *v, struct slot *s, struct nvmh_queue *q)
{
	uint32_t len = s->blocks * v->io->lba_size;
	uint32_t first = len > PAGE ? (uint32_t)round_up_to(len / 2, (uint32_t)PAGE) : len;
	uint16_t nr = first < len ? 2 : 1;
	int ret;

	s->iov[0] = (struct iovec){ s->buf, first };
	s->iov[1] = (struct iovec){ s->buf + first, len - first };
	nvmh_prep_rw(&s->req, s->writing ? nvme_cmd_write : nvme_cmd_read, v->io->nsid,
		     v->io->start + s->block, s->blocks, s->iov, nr, len);
	s->req.done = slot_done;
	s->req.arg = s;
	ret = nvmh_queue_submit(q, &s->req);
	s->sent = !ret;
	if (!ret || ret == -EAGAIN || (ret == -ENOTCONN && v->io->retry))
		return;
	nvmh_io_fail_status("submit", ret);
	v->failed = true;
}

/* The next command of the sequence that the seed gives, whatever the timing. */
static void draw(struct verify *v)
{
	uint64_t max = min_of((uint64_t)v->io->max_io / v->io->lba_size, v->nr_blocks);
	/* sizes of all magnitudes */
	uint64_t most = max_of(max >> rng(v, 10), UINT64_C(1));

	v->next.blocks = (uint32_t)(1 + rng(v, most));
	v->next.block = rng(v, v->nr_blocks - v->next.blocks + 1);
	v->next.writing = rng(v, 100) < 60;
	v->next.valid = true;
}

static void count_writes(struct verify *v)
{
	uint32_t i;

	for (i = 0; v->next.writing && i < v->next.blocks; i++)
		v->written[v->next.block + i]++;
	v->next.valid = false;
}

/* Waits with a command, and all behind it, while another one touches its blocks. */
static void slot_start(struct verify *v, struct slot *s)
{
	uint32_t i;

	if (!v->next.valid)
		draw(v);
	if (memchr(v->in_use + v->next.block, 1, v->next.blocks))
		return;
	s->block = v->next.block;
	s->blocks = v->next.blocks;
	s->writing = v->next.writing;
	s->busy = true;
	v->started++;
	count_writes(v);
	set_in_use(v, s, 1);
	for (i = 0; s->writing && i < s->blocks; i++)
		fill(v, s->block + i, s->buf + (size_t)i * v->io->lba_size);
}

/* Reads the next stretch of written blocks at or after v->started. False: there is none. */
static bool slot_start_readback(struct verify *v, struct slot *s)
{
	uint32_t max = v->io->max_io / v->io->lba_size;

	while (v->started < v->nr_blocks && !v->written[v->started])
		v->started++;
	if (v->started >= v->nr_blocks)
		return false;
	s->block = v->started;
	s->blocks = 0;
	while (s->blocks < max && v->started < v->nr_blocks && v->written[v->started]) {
		s->blocks++;
		v->started++;
	}
	v->read_back += s->blocks;
	s->writing = false;
	s->busy = true;
	return true;
}

/* With commands outstanding, as they happen to be. */
static void reset_when_due(struct verify *v)
{
	if (!v->next_reset || v->done < v->next_reset || nvmh_ctrl_reset(v->io->ctrl))
		return; /* or it is being reset still: the next turn asks again */
	v->resets++;
	v->next_reset = v->done + v->io->reset_every;
}

/* Runs until nothing is outstanding and @more starts nothing new. Return: exit status. */
static int run(struct verify *v, bool (*more)(struct verify *v, struct slot *s))
{
	uint16_t nr_queues;
	bool busy = true;
	uint32_t i;

	v->last_answer_ms = clock_now_ms();
	while (busy && !v->failed) {
		busy = false;
		/* there may be fewer after a reconnect, and none meanwhile */
		nr_queues = max_of(nvmh_ctrl_nr_queues(v->io->ctrl), (uint16_t)1);
		for (i = 0; i < v->nr_slots && !v->failed; i++) {
			struct slot *s = &v->slots[i];

			if (!s->busy && !more(v, s))
				continue;
			busy = true;
			if (s->busy && !s->sent)
				slot_send(v, s,
					  nvmh_ctrl_queue(v->io->ctrl, (uint16_t)(i % nr_queues)));
		}
		for (i = 0; i < nr_queues; i++)
			nvmh_queue_commit(nvmh_ctrl_queue(v->io->ctrl, (uint16_t)i));
		if (busy)
			reset_when_due(v);
		if (!nvmh_io_turn(v->io) && busy)
			nvmh_io_sleep(v->io, 10);
		if (nvmh_ctrl_state(v->io->ctrl) == NVMH_DEAD)
			return nvmh_io_fail("%s", nvmh_ctrl_error(v->io->ctrl));
		if (clock_now_ms() - v->last_answer_ms > RETRY_MS)
			return nvmh_io_fail("no answer for %u ms: %s", RETRY_MS,
					    nvmh_ctrl_error(v->io->ctrl));
	}
	return v->failed;
}

static bool more_ops(struct verify *v, struct slot *s)
{
	if (v->started >= v->io->ops)
		return false;
	slot_start(v, s);
	return true;
}

static bool more_readback(struct verify *v, struct slot *s)
{
	return slot_start_readback(v, s);
}

static int readback(struct verify *v)
{
	int ret;

	v->started = 0;
	v->read_back = 0;
	ret = run(v, more_readback);
	if (!ret)
		printf("read back: %llu blocks as written\n", (unsigned long long)v->read_back);
	return ret;
}

static int verify_init(struct verify *v, struct io *io)
{
	uint32_t i;

	memset(v, 0, sizeof(*v));
	v->io = io;
	v->rng = io->seed;
	v->next_reset = io->reset_every;
	if (io->lba_size < 512 || io->lba_size > PAGE * 16)
		return nvmh_io_fail("blocks of %u bytes are not done", io->lba_size);
	io->max_io = min_of(io->max_io, nvmh_ctrl_max_xfer(io->ctrl));
	io->max_io = max_of(io->max_io, io->lba_size);
	if (io->start >= io->nsze)
		return nvmh_io_fail("the range begins behind the end of the namespace");
	v->nr_blocks = min_of(io->bytes / io->lba_size, io->nsze - io->start);
	v->nr_slots = (uint32_t)io->qd * nvmh_ctrl_nr_queues(io->ctrl);
	v->written = calloc(v->nr_blocks ? v->nr_blocks : 1, sizeof(*v->written));
	v->in_use = calloc(v->nr_blocks ? v->nr_blocks : 1, 1);
	v->slots = calloc(v->nr_slots, sizeof(*v->slots));
	if (!v->nr_blocks || !v->written || !v->in_use || !v->slots)
		return nvmh_io_fail("the range has %llu blocks, or there is no memory for it",
				    (unsigned long long)v->nr_blocks);
	if (nvmh_io_map(io, (size_t)v->nr_slots * round_up_to((size_t)io->max_io, (size_t)PAGE)))
		return 1;
	for (i = 0; i < v->nr_slots; i++) {
		v->slots[i].v = v;
		v->slots[i].buf = io->mem + i * round_up_to((size_t)io->max_io, (size_t)PAGE);
	}
	return 0;
}

/*
 * Never freed: after a failure commands are still outstanding, and end while the controller is
 * closed.
 */
static struct verify the_verify;

static int finish(struct verify *v, int ret)
{
	if (!ret)
		ret = readback(v);
	if (ret) {
		v->failed = true; /* what ends from now on is of no interest */
		fprintf(stderr, "nvmh-io: seed %llu, %llu commands done\n",
			(unsigned long long)v->io->seed, (unsigned long long)v->done);
	}
	return ret;
}

int nvmh_io_verify(struct io *io, char **args)
{
	struct verify *v = &the_verify;
	int ret;

	(void)args;
	ret = verify_init(v, io);
	if (ret)
		return ret;
	printf("verify: seed %llu, %llu commands, %u queues of %u\n", (unsigned long long)io->seed,
	       (unsigned long long)io->ops, nvmh_ctrl_nr_queues(io->ctrl), io->qd);
	fflush(stdout);
	ret = run(v, more_ops);
	if (!ret) {
		printf("verified: %llu commands, %llu repeated, %llu resets\n",
		       (unsigned long long)v->done, (unsigned long long)v->repeated,
		       (unsigned long long)v->resets);
		fflush(stdout);
	}
	return finish(v, ret);
}

int nvmh_io_readback(struct io *io, char **args)
{
	struct verify *v = &the_verify;
	uint64_t i;
	int ret;

	(void)args;
	ret = verify_init(v, io);
	for (i = 0; !ret && i < io->ops; i++) {
		draw(v);
		count_writes(v);
	}
	return ret ? ret : finish(v, 0);
}
