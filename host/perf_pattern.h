/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What --verify writes and expects: each logical block begins with a header that says which block it
 * is, of which run and which writing, and goes on with words that follow from the header. A block
 * that is another one's, older than the last write, or damaged in any byte is found. Any thread.
 */
#ifndef HOST_PERF_PATTERN_H
#define HOST_PERF_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "common/endian.h"
#include "common/util.h"

struct perf_pattern {
	le64_t magic;
	le64_t lba;
	le64_t run; /* differs from run to run */
	le64_t gen; /* how many times this run has written the block */
};
check_size(struct perf_pattern, 32);

#define PERF_PATTERN_MAGIC UINT64_C(0x66726570706d766e) /* "nvmpperf" */

/* What is wrong with a block; @off, @want, @got where PERF_BAD_BYTE says so. */
struct perf_bad {
	enum {
		PERF_BAD_MAGIC, /* not a block that --verify wrote */
		PERF_BAD_LBA,	/* got: the block it is */
		PERF_BAD_RUN,	/* written by another run */
		PERF_BAD_GEN,	/* want, got: which writing */
		PERF_BAD_TORN,	/* at @off: want begins the block, got goes on: which writings */
		PERF_BAD_BYTE,	/* at @off: want, got */
	} what;
	uint32_t off;
	uint64_t lba;
	uint64_t want;
	uint64_t got;
};

/* nvmh_perf_pattern_fill() - @size bytes, a multiple of 512, 8-byte aligned, for block @lba */
void nvmh_perf_pattern_fill(void *block, uint32_t size, uint64_t lba, uint64_t run, uint64_t gen);

/*
 * nvmh_perf_pattern_check() - compare
 * @from, @to: which writings of this run it may be; @to 0: any run and any writing will do.
 * Return: it is good; else *@bad says what is wrong.
 */
bool nvmh_perf_pattern_check(const void *block, uint32_t size, uint64_t lba, uint64_t run,
			     uint64_t from, uint64_t to, struct perf_bad *bad);

/* nvmh_perf_bad_text() - one line about *@bad. Return: @text. */
const char *nvmh_perf_bad_text(const struct perf_bad *bad, char *text, size_t size);

#endif /* HOST_PERF_PATTERN_H */
