// SPDX-License-Identifier: BSD-2-Clause
/*
 * Documents that nvmetcp-perf writes: JSON piece by piece, and the picture of a sweep. Whatever the
 * names and numbers are, both stay well formed.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/util.h"
#include "host/perf_emit.h"
#include "host/perf_sweep.h"

static struct perf_opts opts;
static struct perf_sweep_result result;
static char *text;
static size_t text_size;

static int setup(void **state)
{
	(void)state;
	opts = (struct perf_opts){ .rw = "randread",
				   .bs = 4096,
				   .iodepth = 8,
				   .numjobs = 1,
				   .read_percent = 100,
				   .sweep = PERF_SWEEP_RATE };
	memset(&result, 0, sizeof(result));
	result.opts = &opts;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void write_with(void (*write)(const struct perf_sweep_result *r, FILE *f))
{
	FILE *f;

	free(text);
	f = open_memstream(&text, &text_size);
	assert_non_null(f);
	write(&result, f);
	fclose(f);
}

static void add_step(double load, double iops, double us)
{
	result.steps[result.nr_steps++] = (struct perf_step){
		.load = load,
		.iops = iops,
		.p50 = us,
		.p99 = 2 * us,
		.p999 = 3 * us,
		.reached = true,
	};
}

/* What follows each @what must be numbers within the picture. */
static void check_numbers(const char *what, double max)
{
	const char *p = text;
	int nr = 0;

	while ((p = strstr(p, what))) {
		char *end;
		double v = strtod(p + strlen(what), &end);

		p += strlen(what);
		if (!isfinite(v) || end == p || v < 0 || v > max)
			fail_msg("%s%.20s", what, p);
		nr++;
	}
	assert_true(nr > 0);
}

static void check_picture(void)
{
	write_with(nvmh_perf_plot);
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	assert_non_null(strstr(text, "</svg>"));
	check_numbers(" x=\"", 860);
	check_numbers(" y=\"", 520);
}

static void test_perf_plot_stays_within_the_picture(void **state)
{
	static const struct {
		double iops, us;
	} steps[][3] = {
		{ { 1, 1 }, { 2, 1 }, { 3, 1 } },
		{ { 0.1, 0.001 }, { 1e9, 1e9 }, { 5, 3 } },
		{ { 0, 0 }, { 0, 0 }, { 0, 0 } },
		{ { 1000, 0 }, { 2000, 20 }, { 1500, 1e6 } },
	};
	size_t i, s;

	(void)state;
	check_picture(); /* no step at all */
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		result.nr_steps = 0;
		for (s = 0; s < ARRAY_SIZE(steps[i]); s++)
			add_step((double)s + 1, steps[i][s].iops, steps[i][s].us);
		check_picture();
		if (steps[i][0].us > 0) {
			check_numbers(" cx=\"", 860);
			check_numbers(" cy=\"", 520);
		}
	}
}

static void test_perf_plot_names_are_no_markup(void **state)
{
	(void)state;
	snprintf(result.target, sizeof(result.target), "<script>&\"'\x01\xff");
	add_step(10, 1000, 20);
	check_picture();
	assert_null(strstr(text, "<script"));
	assert_non_null(strstr(text, "&#60;script&#62;&#38;&#34;&#39;??"));
}

static void test_perf_sweep_document_is_json(void **state)
{
	struct json_object *doc, *steps;

	(void)state;
	snprintf(result.target, sizeof(result.target), "a\"b\\c\n\xff");
	add_step(10, 1000, 20);
	add_step(20, INFINITY, NAN);
	write_with(nvmh_perf_sweep_json);
	doc = json_tokener_parse(text);
	assert_non_null(doc);
	assert_string_equal(json_object_get_string(json_object_object_get(doc, "target")),
			    "a\"b\\c\n\xc3\xbf");
	steps = json_object_object_get(doc, "steps");
	assert_int_equal(json_object_array_length(steps), 2);
	assert_true(json_object_get_double(json_object_object_get(
			    json_object_array_get_idx(steps, 0), "iops")) == 1000);
	json_object_put(doc);
}

static void test_perf_emit_nests(void **state)
{
	struct perf_emit e = { 0 };

	(void)state;
	free(text);
	e.f = open_memstream(&text, &text_size);
	assert_non_null(e.f);
	nvmh_perf_emit_open(&e, NULL, '{');
	nvmh_perf_emit_open(&e, "empty", '[');
	nvmh_perf_emit_close(&e, ']');
	nvmh_perf_emit_open_flat(&e, "flat", '[');
	nvmh_perf_emit_open_flat(&e, NULL, '[');
	nvmh_perf_emit_number(&e, NULL, 1);
	nvmh_perf_emit_number(&e, NULL, UINT64_MAX);
	nvmh_perf_emit_close(&e, ']');
	nvmh_perf_emit_bool(&e, NULL, true);
	nvmh_perf_emit_close(&e, ']');
	nvmh_perf_emit_real(&e, "real", 0.5);
	nvmh_perf_emit_close(&e, '}');
	fclose(e.f);
	assert_string_equal(text, "{\n  \"empty\": [],\n"
				  "  \"flat\": [[1, 18446744073709551615], true],\n"
				  "  \"real\": 0.500000\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_perf_plot_stays_within_the_picture, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_perf_plot_names_are_no_markup, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_perf_sweep_document_is_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_perf_emit_nests, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
