// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pattern of --verify. Any thread.
 */
#include "host/perf_pattern.h"

#include <inttypes.h>
#include <stdio.h>

#include "host/perf_random.h"

enum {
	WORD = sizeof(uint64_t),
};

static uint64_t body_seed(uint64_t lba, uint64_t run, uint64_t gen)
{
	uint64_t state = run;

	state = perf_random(&state) ^ lba;
	return perf_random(&state) ^ gen;
}

void nvmh_perf_pattern_fill(void *block, uint32_t size, uint64_t lba, uint64_t run, uint64_t gen)
{
	struct perf_pattern head = {
		.magic = le64_make(PERF_PATTERN_MAGIC),
		.lba = le64_make(lba),
		.run = le64_make(run),
		.gen = le64_make(gen),
	};
	uint64_t seed = body_seed(lba, run, gen);
	le64_t *words = block;
	uint32_t i;

	memcpy(block, &head, sizeof(head));
	for (i = sizeof(head) / WORD; i < size / WORD; i++)
		words[i] = le64_make(perf_random(&seed));
}

static bool found(struct perf_bad *bad, int what, uint64_t want, uint64_t got)
{
	bad->what = what;
	bad->want = want;
	bad->got = got;
	return false;
}

/* The first byte of a word that differs. */
static bool found_byte(struct perf_bad *bad, uint32_t off, uint64_t want, uint64_t got)
{
	uint32_t byte = (uint32_t)__builtin_ctzll(want ^ got) / 8;

	bad->off = off + byte;
	return found(bad, PERF_BAD_BYTE, want >> byte * 8 & 0xff, got >> byte * 8 & 0xff);
}

bool nvmh_perf_pattern_check(const void *block, uint32_t size, uint64_t lba, uint64_t run,
			     uint64_t gen, struct perf_bad *bad)
{
	const le64_t *words = block;
	struct perf_pattern head;
	uint64_t seed;
	uint32_t i;

	memcpy(&head, block, sizeof(head));
	bad->lba = lba;
	bad->off = 0;
	if (le64_get(head.magic) != PERF_PATTERN_MAGIC)
		return found(bad, PERF_BAD_MAGIC, PERF_PATTERN_MAGIC, le64_get(head.magic));
	if (le64_get(head.lba) != lba)
		return found(bad, PERF_BAD_LBA, lba, le64_get(head.lba));
	if (gen && le64_get(head.run) != run)
		return found(bad, PERF_BAD_RUN, run, le64_get(head.run));
	if (gen && le64_get(head.gen) != gen)
		return found(bad, PERF_BAD_GEN, gen, le64_get(head.gen));
	seed = body_seed(lba, le64_get(head.run), le64_get(head.gen));
	for (i = sizeof(head) / WORD; i < size / WORD; i++) {
		uint64_t want = perf_random(&seed);

		if (unlikely(le64_get(words[i]) != want))
			return found_byte(bad, i * WORD, want, le64_get(words[i]));
	}
	return true;
}

const char *nvmh_perf_bad_text(const struct perf_bad *bad, char *text, size_t size)
{
	switch (bad->what) {
	case PERF_BAD_MAGIC:
		snprintf(text, size, "block %" PRIu64 " was not written by --verify", bad->lba);
		break;
	case PERF_BAD_LBA:
		snprintf(text, size, "block %" PRIu64 " holds what was written to block %" PRIu64,
			 bad->lba, bad->got);
		break;
	case PERF_BAD_RUN:
		snprintf(text, size, "block %" PRIu64 " holds what another run wrote", bad->lba);
		break;
	case PERF_BAD_GEN:
		snprintf(text, size,
			 "block %" PRIu64 " holds write %" PRIu64 " to it, expected write %" PRIu64,
			 bad->lba, bad->got, bad->want);
		break;
	case PERF_BAD_BYTE:
		snprintf(text, size,
			 "block %" PRIu64 " differs at byte %u: %02" PRIx64 "h, expected %02" PRIx64
			 "h",
			 bad->lba, bad->off, bad->got, bad->want);
		break;
	}
	return text;
}
