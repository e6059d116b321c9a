/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of nvmetcp-perf's command line, each read whole or refused. Any thread. All return 0 or
 * -EINVAL and write nothing then.
 */
#ifndef HOST_PERF_WORDS_H
#define HOST_PERF_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum {
	PERF_MAX_CPUS = 1024, /* highest CPU number + 1, and entries of a list */
	PERF_MICRO = 1000000, /* decimal fractions are counted in millionths */
};

/* nvmh_perf_word_number() - decimal, @min..@max, no sign, nothing after it */
int nvmh_perf_word_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/*
 * nvmh_perf_word_size() - bytes: a number with a unit k, m, g or t, in either case, with "b" or
 * "ib" after it or not; powers of 1024 in any case, as in fio
 */
int nvmh_perf_word_size(const char *text, uint64_t *bytes);

/* nvmh_perf_word_duration() - a number of seconds, or with a unit: ms, s, m, h; at least 1 ms, at
 * most 1000 h */
int nvmh_perf_word_duration(const char *text, uint64_t *ns);

/* nvmh_perf_word_cpus() - a list like "0-3,8". @max: entries of @cpus. *@nr: how many, at least 1. */
int nvmh_perf_word_cpus(const char *text, uint16_t *cpus, uint16_t max, uint16_t *nr);

/* nvmh_perf_word_micros() - a number with up to six decimal places, 0..@max, in millionths */
int nvmh_perf_word_micros(const char *text, uint64_t max, uint64_t *micros);

/* nvmh_perf_word_list() - such numbers, with ':' or ',' between them, ascending, each once. @max_nr:
 * entries of @list. *@nr: how many, at least 1. */
int nvmh_perf_word_list(const char *text, uint64_t max, uint64_t *list, uint16_t max_nr,
			uint16_t *nr);

#endif /* HOST_PERF_WORDS_H */
