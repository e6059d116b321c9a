// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sizes of I/Os from the command line. Any thread.
 */
#include "host/perf_sizes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/util.h"
#include "host/perf_words.h"

enum {
	MAX_WORD = 32,
	NO_SHARE = 255,
};

/* The word at *@text that ends before one of @ends; moves *@text to that end. */
static int word_at(const char **text, const char *ends, char word[MAX_WORD])
{
	size_t len = strcspn(*text, ends);

	if (!len || len >= MAX_WORD)
		return -EINVAL;
	snprintf(word, MAX_WORD, "%.*s", (int)len, *text);
	*text += len;
	return 0;
}

static int one_size(const char *text, uint32_t *bytes)
{
	uint64_t v;

	if (nvmh_perf_word_size(text, &v) || v < PERF_MIN_BS || v > PERF_MAX_BS || v % PERF_MIN_BS)
		return -EINVAL;
	*bytes = (uint32_t)v;
	return 0;
}

int nvmh_perf_sizes_one(const char *text, struct perf_sizes *sizes)
{
	uint32_t bytes;

	if (one_size(text, &bytes))
		return -EINVAL;
	*sizes = (struct perf_sizes){ .min = bytes, .max = bytes };
	return 0;
}

int nvmh_perf_sizes_range(const char *text, struct perf_sizes *sizes)
{
	struct perf_sizes s = { 0 };
	char word[MAX_WORD];

	if (word_at(&text, "-", word) || one_size(word, &s.min) || *text++ != '-' ||
	    one_size(text, &s.max) || s.max < s.min)
		return -EINVAL;
	s.max -= s.max % s.min;
	*sizes = s;
	return 0;
}

/* One entry, "4k/60", "4k/" or "4k". */
static int one_split(const char **text, uint32_t *bytes, uint8_t *share)
{
	char word[MAX_WORD];
	uint64_t v;

	if (word_at(text, "/:", word) || one_size(word, bytes))
		return -EINVAL;
	*share = NO_SHARE;
	if (**text == '/' && *++*text && **text != ':') {
		if (word_at(text, ":", word) || nvmh_perf_word_number(word, 0, 100, &v))
			return -EINVAL;
		*share = (uint8_t)v;
	}
	return 0;
}

/* Those without a share get equal parts of what is left; then each says where it ends. */
static int settle_shares(struct perf_sizes *s, uint8_t *share)
{
	uint32_t sum = 0, open = 0, below = 0;
	uint16_t i;

	for (i = 0; i < s->nr_splits; i++) {
		if (share[i] == NO_SHARE)
			open++;
		else
			sum += share[i];
	}
	if (sum > 100 || (!open && sum != 100))
		return -EINVAL;
	for (i = 0; i < s->nr_splits; i++) {
		if (share[i] == NO_SHARE) {
			share[i] = (uint8_t)((100 - sum) / open);
			sum += share[i];
			open--;
		}
		below += share[i];
		s->split[i].below = (uint8_t)below;
	}
	return 0;
}

int nvmh_perf_sizes_split(const char *text, struct perf_sizes *sizes)
{
	struct perf_sizes s = { .min = UINT32_MAX };
	uint8_t share[PERF_MAX_SPLITS];

	for (;; text++) {
		uint16_t i = s.nr_splits;

		if (i == PERF_MAX_SPLITS || one_split(&text, &s.split[i].bytes, &share[i]))
			return -EINVAL;
		s.nr_splits++;
		s.min = min_of(s.min, s.split[i].bytes);
		s.max = max_of(s.max, s.split[i].bytes);
		if (!*text)
			break;
		if (*text != ':')
			return -EINVAL;
	}
	if (settle_shares(&s, share))
		return -EINVAL;
	*sizes = s;
	return 0;
}

static uint32_t gcd_of(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

uint32_t nvmh_perf_sizes_gcd(const struct perf_sizes *sizes, uint32_t gcd)
{
	uint16_t i;

	if (!sizes->nr_splits)
		return gcd_of(sizes->min, gcd);
	for (i = 0; i < sizes->nr_splits; i++)
		gcd = gcd_of(sizes->split[i].bytes, gcd);
	return gcd;
}

double nvmh_perf_sizes_mean(const struct perf_sizes *sizes)
{
	uint64_t sum = 0;
	uint8_t before = 0;
	uint16_t i;

	if (!sizes->nr_splits)
		return sizes->min * (1 + sizes->max / sizes->min) / 2.0;
	for (i = 0; i < sizes->nr_splits; i++) {
		sum += (uint64_t)sizes->split[i].bytes * (sizes->split[i].below - before);
		before = sizes->split[i].below;
	}
	return (double)sum / 100;
}
