/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a JSON document piece by piece: commas, indentation and escapes are here. Main thread.
 */
#ifndef HOST_PERF_EMIT_H
#define HOST_PERF_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct perf_emit {
	FILE *f;
	int depth;
	bool more; /* something stands before, at this depth */
	int flat;  /* from this depth on all is in one line; 0: nothing is */
};

/* @key: NULL within an array. A value's text: bytes that are not ASCII are read as Latin-1. */
void nvmh_perf_emit_text(struct perf_emit *e, const char *key, const char *value);
void nvmh_perf_emit_number(struct perf_emit *e, const char *key, uint64_t value);
/* What is no finite number is 0. */
void nvmh_perf_emit_real(struct perf_emit *e, const char *key, double value);
void nvmh_perf_emit_bool(struct perf_emit *e, const char *key, bool value);

/* @bracket: '{' or '['. _flat(): until its end, in one line. The same bracket's end to _close(). */
void nvmh_perf_emit_open(struct perf_emit *e, const char *key, char bracket);
void nvmh_perf_emit_open_flat(struct perf_emit *e, const char *key, char bracket);
void nvmh_perf_emit_close(struct perf_emit *e, char bracket);

#endif /* HOST_PERF_EMIT_H */
