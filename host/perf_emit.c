// SPDX-License-Identifier: BSD-2-Clause
/*
 * JSON, written piece by piece. Main thread.
 */
#include "host/perf_emit.h"

#include <inttypes.h>
#include <math.h>

static void put_text(struct perf_emit *e, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', e->f);
	for (; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(e->f, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			fprintf(e->f, "\\u%04x", *p);
		else
			fputc(*p, e->f);
	}
	fputc('"', e->f);
}

static void new_line(struct perf_emit *e)
{
	if (e->flat) {
		if (e->more)
			fputc(' ', e->f);
		return;
	}
	if (e->depth)
		fprintf(e->f, "\n%*s", 2 * e->depth, "");
}

static void begin(struct perf_emit *e, const char *key)
{
	if (e->more)
		fputc(',', e->f);
	new_line(e);
	e->more = true;
	if (!key)
		return;
	put_text(e, key);
	fputs(": ", e->f);
}

void nvmh_perf_emit_text(struct perf_emit *e, const char *key, const char *value)
{
	begin(e, key);
	put_text(e, value);
}

void nvmh_perf_emit_number(struct perf_emit *e, const char *key, uint64_t value)
{
	begin(e, key);
	fprintf(e->f, "%" PRIu64, value);
}

void nvmh_perf_emit_real(struct perf_emit *e, const char *key, double value)
{
	begin(e, key);
	fprintf(e->f, "%.6f", isfinite(value) ? value : 0);
}

void nvmh_perf_emit_bool(struct perf_emit *e, const char *key, bool value)
{
	begin(e, key);
	fputs(value ? "true" : "false", e->f);
}

void nvmh_perf_emit_open(struct perf_emit *e, const char *key, char bracket)
{
	begin(e, key);
	fputc(bracket, e->f);
	e->depth++;
	e->more = false;
}

void nvmh_perf_emit_open_flat(struct perf_emit *e, const char *key, char bracket)
{
	nvmh_perf_emit_open(e, key, bracket);
	if (!e->flat)
		e->flat = e->depth;
}

void nvmh_perf_emit_close(struct perf_emit *e, char bracket)
{
	e->depth--;
	if (e->more && !e->flat)
		fprintf(e->f, "\n%*s", 2 * e->depth, "");
	if (e->depth < e->flat)
		e->flat = 0;
	fputc(bracket, e->f);
	e->more = true;
	if (!e->depth)
		fputc('\n', e->f);
}
