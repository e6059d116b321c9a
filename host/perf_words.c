// SPDX-License-Identifier: BSD-2-Clause
/*
 * Numbers, sizes, durations and CPU lists from the command line. Any thread.
 */
#include "host/perf_words.h"

#include <errno.h>
#include <strings.h>

#include "common/clock.h"
#include "common/util.h"
#include "host/perf_clock.h"

enum {
	MAX_HOURS = 1000,
};

struct unit {
	const char *name;
	uint64_t factor;
};

/* The digits at *@text, which it moves behind them. */
static int digits(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -EINVAL;
	}
	*text = p;
	*value = v;
	return 0;
}

int nvmh_perf_word_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v;

	if (digits(&text, &v) || *text || v < min || v > max)
		return -EINVAL;
	*value = v;
	return 0;
}

static int with_unit(const char *text, const struct unit *units, size_t nr_units, uint64_t *value)
{
	uint64_t v;
	size_t i;

	if (digits(&text, &v))
		return -EINVAL;
	for (i = 0; i < nr_units; i++) {
		if (strcasecmp(text, units[i].name))
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, &v))
			return -EINVAL;
		*value = v;
		return 0;
	}
	return -EINVAL;
}

int nvmh_perf_word_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "b", 1 },
		{ "k", 1ull << 10 },
		{ "kb", 1ull << 10 },
		{ "kib", 1ull << 10 },
		{ "m", 1ull << 20 },
		{ "mb", 1ull << 20 },
		{ "mib", 1ull << 20 },
		{ "g", 1ull << 30 },
		{ "gb", 1ull << 30 },
		{ "gib", 1ull << 30 },
		{ "t", 1ull << 40 },
		{ "tb", 1ull << 40 },
		{ "tib", 1ull << 40 },
	};

	return with_unit(text, units, ARRAY_SIZE(units), bytes);
}

int nvmh_perf_word_duration(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {
		{ "", PERF_NS_PER_S },
		{ "ms", NS_PER_MS },
		{ "s", PERF_NS_PER_S },
		{ "m", 60ull * PERF_NS_PER_S },
		{ "h", 3600ull * PERF_NS_PER_S },
	};
	uint64_t v;

	if (with_unit(text, units, ARRAY_SIZE(units), &v) || !v ||
	    v > MAX_HOURS * 3600ull * PERF_NS_PER_S)
		return -EINVAL;
	*ns = v;
	return 0;
}

/* One entry, "8" or "0-3". */
static int cpu_range(const char **text, uint64_t *first, uint64_t *last)
{
	if (digits(text, first))
		return -EINVAL;
	*last = *first;
	if (**text == '-') {
		++*text;
		if (digits(text, last))
			return -EINVAL;
	}
	return *first <= *last && *last < PERF_MAX_CPUS ? 0 : -EINVAL;
}

int nvmh_perf_word_cpus(const char *text, uint16_t *cpus, uint16_t max, uint16_t *nr)
{
	const char *p = text;
	uint64_t first, last;
	uint64_t count = 0;

	/* looked through first: nothing is written unless all of it is good */
	for (;; p++) {
		if (cpu_range(&p, &first, &last))
			return -EINVAL;
		count += last - first + 1;
		if (count > max)
			return -EINVAL;
		if (!*p)
			break;
		if (*p != ',')
			return -EINVAL;
	}
	*nr = 0;
	for (p = text; !cpu_range(&p, &first, &last); p++) {
		for (; first <= last; first++)
			cpus[(*nr)++] = (uint16_t)first;
		if (!*p)
			break;
	}
	return 0;
}

/* A number with decimal places at *@text, which it moves behind it. */
static int micros_at(const char **text, uint64_t max, uint64_t *micros)
{
	uint64_t v, unit = PERF_MICRO;

	if (digits(text, &v) || __builtin_mul_overflow(v, unit, &v))
		return -EINVAL;
	if (**text == '.') {
		++*text;
		if (**text < '0' || **text > '9')
			return -EINVAL;
		for (; **text >= '0' && **text <= '9'; ++*text) {
			unit /= 10;
			if (!unit || __builtin_add_overflow(v, unit * (uint64_t)(**text - '0'), &v))
				return -EINVAL;
		}
	}
	if (v > max)
		return -EINVAL;
	*micros = v;
	return 0;
}

int nvmh_perf_word_micros(const char *text, uint64_t max, uint64_t *micros)
{
	uint64_t v;

	if (micros_at(&text, max, &v) || *text)
		return -EINVAL;
	*micros = v;
	return 0;
}

int nvmh_perf_word_list(const char *text, uint64_t max, uint64_t *list, uint16_t max_nr,
			uint16_t *nr)
{
	const char *p = text;
	uint64_t v, before = 0;
	uint16_t count = 0;

	/* looked through first: nothing is written unless all of it is good */
	for (;; p++) {
		if (count == max_nr || micros_at(&p, max, &v) || (count && v <= before))
			return -EINVAL;
		before = v;
		count++;
		if (!*p)
			break;
		if (*p != ':' && *p != ',')
			return -EINVAL;
	}
	*nr = 0;
	for (p = text; !micros_at(&p, max, &v); p++) {
		list[(*nr)++] = v;
		if (!*p)
			break;
	}
	return 0;
}
