// SPDX-License-Identifier: BSD-2-Clause
/*
 * The picture of a sweep: IOPS to the right, latency upwards on a logarithmic axis, a line for each of
 * p50, p99 and p99.9. One SVG file that needs no font, script or network; it follows the reader's
 * light or dark scheme. Main thread. Entry point: nvmh_perf_plot().
 */
#include <math.h>

#include "common/util.h"
#include "host/perf_sweep.h"

enum {
	WIDTH = 860,
	HEIGHT = 520,
	LEFT = 78,
	RIGHT = 24,
	TOP = 84,
	BOTTOM = 58,
	NR_LINES = 3,
	MAX_TICKS = 8,
};

struct plot {
	const struct perf_sweep_result *result;
	FILE *f;
	double x_max;	     /* IOPS */
	double x_step;	     /* between ticks */
	double y_min, y_max; /* us, log10 */
};

static const char style[] =
	"<style>\n"
	"text { font: 13px system-ui, sans-serif; fill: #24292f }\n"
	".title { font-size: 17px; font-weight: 600 }\n"
	".small { font-size: 12px; fill: #57606a }\n"
	".load { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }\n"
	".back { fill: #ffffff }\n"
	".grid { stroke: #d8dee4; fill: none }\n"
	".fine { stroke: #eef1f4; fill: none }\n"
	".axis { stroke: #57606a; fill: none }\n"
	".line { fill: none; stroke-width: 2.2; stroke-linejoin: round }\n"
	".l0 { stroke: #0a7d4b } .d0 { fill: #0a7d4b }\n"
	".l1 { stroke: #0b62c4 } .d1 { fill: #0b62c4 }\n"
	".l2 { stroke: #c2410c } .d2 { fill: #c2410c }\n"
	".open { fill: #ffffff; stroke-width: 2 }\n"
	"@media (prefers-color-scheme: dark) {\n"
	"text { fill: #e6edf3 } .small { fill: #9aa4af }\n"
	".back { fill: #0d1117 } .open { fill: #0d1117 } .load { stroke: #0d1117 }\n"
	".grid { stroke: #30363d } .fine { stroke: #1c2128 } .axis { stroke: #9aa4af }\n"
	".l0 { stroke: #3fb984 } .d0 { fill: #3fb984 }\n"
	".l1 { stroke: #58a6ff } .d1 { fill: #58a6ff }\n"
	".l2 { stroke: #f0883e } .d2 { fill: #f0883e }\n"
	"}\n"
	"</style>\n";

static const char *const line_name[NR_LINES] = { "p50", "p99", "p99.9" };

static double value(const struct perf_step *s, int line)
{
	return line == 0 ? s->p50 : line == 1 ? s->p99 : s->p999;
}

/* Names come from the command line and from targets: none may become markup. */
static void put_text(FILE *f, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		if (*p == '<' || *p == '>' || *p == '&' || *p == '"' || *p == '\'')
			fprintf(f, "&#%u;", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			fputc('?', f);
		else
			fputc(*p, f);
	}
}

static double x_of(const struct plot *p, double iops)
{
	return LEFT + iops / p->x_max * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct plot *p, double us)
{
	double part = (log10(us) - p->y_min) / (p->y_max - p->y_min);

	return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that at most MAX_TICKS of it reach @max. */
static double tick_step(double max)
{
	double step = pow(10, floor(log10(max / MAX_TICKS)));

	if (step * MAX_TICKS >= max)
		return step;
	return step * 2 * MAX_TICKS >= max   ? step * 2
	       : step * 5 * MAX_TICKS >= max ? step * 5
					     : step * 10;
}

static void find_scale(struct plot *p)
{
	double low = HUGE_VAL, high = 0, most = 0, span;
	uint16_t i;
	int line;

	for (i = 0; i < p->result->nr_steps; i++) {
		const struct perf_step *s = &p->result->steps[i];

		most = max_of(most, s->iops);
		for (line = 0; line < NR_LINES; line++) {
			if (value(s, line) <= 0)
				continue;
			low = min_of(low, value(s, line));
			high = max_of(high, value(s, line));
		}
	}
	if (most <= 0 || high <= 0) {
		most = max_of(most, 1.0);
		low = 1;
		high = 10;
	}
	p->x_step = tick_step(most * 1.04);
	p->x_max = most * 1.04;
	/* at least half a decade, a little room above, and below for the numbers of the steps */
	span = max_of(log10(high / low), 0.5);
	p->y_min = log10(low) - 0.1 * span;
	p->y_max = log10(low) + 1.03 * span;
}

/* ---------------------------------------------------------------- axes */

static const char *iops_text(double v, char *text, size_t size)
{
	if (v >= 1e6)
		snprintf(text, size, "%gM", v / 1e6);
	else if (v >= 1e3)
		snprintf(text, size, "%gk", v / 1e3);
	else
		snprintf(text, size, "%g", v);
	return text;
}

static const char *us_text(double us, char *text, size_t size)
{
	if (us >= 1e6)
		snprintf(text, size, "%g s", us / 1e6);
	else if (us >= 1e3)
		snprintf(text, size, "%g ms", us / 1e3);
	else
		snprintf(text, size, "%g &#181;s", us);
	return text;
}

static void x_axis(const struct plot *p)
{
	char text[32];
	double v;
	int i;

	for (i = 0; (v = i * p->x_step) <= p->x_max * (1 + 1e-9); i++) {
		double x = x_of(p, v);

		fprintf(p->f, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, TOP, HEIGHT - BOTTOM);
		fprintf(p->f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x,
			HEIGHT - BOTTOM + 19, iops_text(v, text, sizeof(text)));
	}
	fprintf(p->f,
		"<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">I/Os per second (IOPS)</text>\n",
		(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16);
}

/* Lines at 1 to 9 times each power of ten; numbers at 1, 2 and 5, or where that would be many, at 1. */
static void y_axis(const struct plot *p)
{
	bool many = p->y_max - p->y_min > 4.2;
	char text[32];
	int decade, digit;

	for (decade = (int)floor(p->y_min); decade <= (int)ceil(p->y_max); decade++) {
		for (digit = 1; digit < 10; digit++) {
			double v = digit * pow(10, decade);
			bool named = digit == 1 || (!many && (digit == 2 || digit == 5));

			if (log10(v) < p->y_min || log10(v) > p->y_max)
				continue;
			fprintf(p->f, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>",
				named ? "grid" : "fine", LEFT, y_of(p, v), WIDTH - RIGHT);
			if (named)
				fprintf(p->f,
					"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
					LEFT - 8, y_of(p, v) + 4.5, us_text(v, text, sizeof(text)));
			fputc('\n', p->f);
		}
	}
	fprintf(p->f,
		"<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">Latency (logarithmic)</text>\n",
		(TOP + HEIGHT - BOTTOM) / 2);
	fprintf(p->f, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, HEIGHT - BOTTOM,
		WIDTH - RIGHT);
}

/* ---------------------------------------------------------------- lines */

static void load_text(const struct plot *p, const struct perf_step *s, char *text, size_t size)
{
	if (p->result->opts->sweep == PERF_SWEEP_RATE)
		snprintf(text, size, "%g %%", s->load);
	else
		snprintf(text, size, "iodepth %g", s->load);
}

/* A point, whose tip tells its numbers; hollow where the load was not reached. */
static void point(const struct plot *p, const struct perf_step *s, int line)
{
	char load[32];

	load_text(p, s, load, sizeof(load));
	fprintf(p->f, "<circle class=\"%s%d%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\">",
		!s->reached ? "l" : "d", line, !s->reached ? " open" : "", x_of(p, s->iops),
		y_of(p, value(s, line)));
	fprintf(p->f, "<title>%s: %s %.1f &#181;s at %.0f IOPS%s</title></circle>\n", load,
		line_name[line], value(s, line), s->iops, !s->reached ? ", not reached" : "");
}

static void curve(const struct plot *p, int line)
{
	const struct perf_sweep_result *r = p->result;
	uint16_t i;

	fprintf(p->f, "<polyline class=\"line l%d\" points=\"", line);
	for (i = 0; i < r->nr_steps; i++) {
		if (value(&r->steps[i], line) > 0)
			fprintf(p->f, "%.1f,%.1f ", x_of(p, r->steps[i].iops),
				y_of(p, value(&r->steps[i], line)));
	}
	fputs("\"/>\n", p->f);
	for (i = 0; i < r->nr_steps; i++) {
		if (value(&r->steps[i], line) > 0)
			point(p, &r->steps[i], line);
	}
}

/* The load of each step, below the lowest line where there is room beside the one before. */
static void loads(const struct plot *p)
{
	const struct perf_sweep_result *r = p->result;
	double last = -HUGE_VAL;
	uint16_t i;

	for (i = 0; i < r->nr_steps; i++) {
		const struct perf_step *s = &r->steps[i];
		double x = x_of(p, s->iops);

		if (s->p50 <= 0 || fabs(x - last) < 34)
			continue;
		fprintf(p->f,
			"<text class=\"small load\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g%s</text>\n",
			x, y_of(p, s->p50) + 18, s->load,
			r->opts->sweep == PERF_SWEEP_RATE ? "%" : "");
		last = x;
	}
}

static void legend(const struct plot *p)
{
	int x = LEFT, line;
	bool open = false;
	uint16_t i;

	for (line = 0; line < NR_LINES; line++, x += 82) {
		fprintf(p->f, "<path class=\"line l%d\" d=\"M%d 68h26\"/>", line, x);
		fprintf(p->f, "<circle class=\"d%d\" cx=\"%d\" cy=\"68\" r=\"4\"/>", line, x + 13);
		fprintf(p->f, "<text x=\"%d\" y=\"72.5\">%s</text>\n", x + 33, line_name[line]);
	}
	for (i = 0; i < p->result->nr_steps; i++)
		open |= !p->result->steps[i].reached;
	fprintf(p->f, "<text class=\"small\" x=\"%d\" y=\"72.5\">numbers: %s%s</text>\n", x + 8,
		p->result->opts->sweep == PERF_SWEEP_RATE ? "percent of the highest rate"
							  : "iodepth",
		open ? "; hollow: not reached" : "");
}

static void title(const struct plot *p)
{
	const struct perf_opts *opts = p->result->opts;

	fprintf(p->f, "<text class=\"title\" x=\"%d\" y=\"28\">Latency against load: %s", LEFT,
		opts->rw);
	if (opts->read_percent % 100)
		fprintf(p->f, " (%u %% reads)", (unsigned int)opts->read_percent);
	if (opts->bs % 1024)
		fprintf(p->f, ", %u bytes", opts->bs);
	else
		fprintf(p->f, ", %u KiB", opts->bs / 1024);
	if (opts->sweep == PERF_SWEEP_RATE)
		fprintf(p->f, ", iodepth %u", (unsigned int)opts->iodepth);
	fprintf(p->f, ", %u thread%s</text>\n", (unsigned int)opts->numjobs,
		opts->numjobs == 1 ? "" : "s");
	fprintf(p->f, "<text class=\"small\" x=\"%d\" y=\"48\">", LEFT);
	put_text(p->f, p->result->target);
	fputs("</text>\n", p->f);
}

void nvmh_perf_plot(const struct perf_sweep_result *result, FILE *f)
{
	struct plot p = { .result = result, .f = f };
	int line;

	find_scale(&p);
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"Latency against load\">\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	fputs(style, f);
	fprintf(f, "<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
	title(&p);
	x_axis(&p);
	y_axis(&p);
	for (line = NR_LINES; line-- > 0;)
		curve(&p, line);
	loads(&p); /* above all lines */
	legend(&p);
	fputs("</svg>\n", f);
}
