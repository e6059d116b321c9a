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
	NEAR_GENS = 8, /* how far off the writings of a torn block are looked for */
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

/* The word that writing @gen has at @i. */
static uint64_t body_word(uint64_t lba, uint64_t run, uint64_t gen, uint32_t i)
{
	uint64_t state = body_seed(lba, run, gen) +
			 (i - sizeof(struct perf_pattern) / WORD) * PERF_RANDOM_STEP;

	return perf_random(&state);
}

/* A word that differs: does another writing of the block go on here? */
static bool found_body(struct perf_bad *bad, const struct perf_pattern *head, uint32_t i,
		       uint64_t want, uint64_t got)
{
	uint64_t gen = le64_get(head->gen), g;

	for (g = gen > NEAR_GENS ? gen - NEAR_GENS : 1; g <= gen + NEAR_GENS; g++) {
		if (g == gen || body_word(le64_get(head->lba), le64_get(head->run), g, i) != got)
			continue;
		bad->off = i * WORD;
		return found(bad, PERF_BAD_TORN, gen, g);
	}
	return found_byte(bad, i * WORD, want, got);
}

bool nvmh_perf_pattern_check(const void *block, uint32_t size, uint64_t lba, uint64_t run,
			     uint64_t from, uint64_t to, struct perf_bad *bad)
{
	const le64_t *words = block;
	struct perf_pattern head;
	uint64_t seed, gen;
	uint32_t i;

	memcpy(&head, block, sizeof(head));
	gen = le64_get(head.gen);
	bad->lba = lba;
	bad->off = 0;
	if (le64_get(head.magic) != PERF_PATTERN_MAGIC)
		return found(bad, PERF_BAD_MAGIC, PERF_PATTERN_MAGIC, le64_get(head.magic));
	if (le64_get(head.lba) != lba)
		return found(bad, PERF_BAD_LBA, lba, le64_get(head.lba));
	if (to && le64_get(head.run) != run)
		return found(bad, PERF_BAD_RUN, run, le64_get(head.run));
	if (to && (gen < from || gen > to))
		return found(bad, PERF_BAD_GEN, gen < from ? from : to, gen);
	seed = body_seed(lba, le64_get(head.run), gen);
	for (i = sizeof(head) / WORD; i < size / WORD; i++) {
		uint64_t want = perf_random(&seed);

		if (unlikely(le64_get(words[i]) != want))
			return found_body(bad, &head, i, want, le64_get(words[i]));
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
	case PERF_BAD_TORN:
		snprintf(text, size,
			 "block %" PRIu64 " is torn: write %" PRIu64
			 " to it begins it, from byte %u on it is write %" PRIu64,
			 bad->lba, bad->want, bad->off, bad->got);
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
