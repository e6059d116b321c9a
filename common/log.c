// SPDX-License-Identifier: BSD-2-Clause
/*
 * Logging: formats one line on the stack and writes it with one write(2), so lines of several
 * threads never mix. Three shapes, chosen once by log_init(): the journal ("<3>text", the journal
 * adds the rest), a terminal (coloured), anything else ("name: error: text"). The time of day is
 * printed only when the threshold is debug: a service manager adds its own.
 *
 * Thread: any. Entry points: log_init(), log_set_sink(), log_write(), log_allowed(), log_quote().
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/util.h"

enum {
	LINE_BYTES = 1024, /* with the newline */
	NAME_BYTES = 32,
	LIMIT_BURST = 10,
	HEX_BYTES = 4, /* \xNN */
};

static const uint64_t limit_window_ns = 5000000000u;

enum log_level log_threshold = LOG_LVL_WARN; /* a library that nobody initialised keeps quiet */

static char log_name[NAME_BYTES];
static bool log_journal;
static bool log_colour;
static log_sink_fn *log_sink; /* NULL: stderr */
static void *log_sink_arg;

static const struct {
	const char *name;
	const char *prefix; /* outside the journal; nothing where the text says enough */
	const char *colour;
	char syslog; /* priority */
} levels[] = {
	[LOG_LVL_ERROR] = { "error", "error: ", "\033[1;31m", '3' },
	[LOG_LVL_WARN] = { "warning", "warning: ", "\033[1;33m", '4' },
	[LOG_LVL_NOTICE] = { "notice", "", "", '5' },
	[LOG_LVL_INFO] = { "info", "", "", '6' },
	[LOG_LVL_DEBUG] = { "debug", "debug: ", "\033[2m", '7' },
};

/*
 * $JOURNAL_STREAM names the socket that systemd connected; stderr may have been redirected since.
 */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long dev;
	struct stat st;
	char *end;

	if (!text || fstat(STDERR_FILENO, &st))
		return false;
	dev = strtoull(text, &end, 10);
	return *end == ':' && st.st_dev == dev && st.st_ino == strtoull(end + 1, NULL, 10);
}

static bool stderr_has_colour(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && (!no_color || !*no_color) && term && strcmp(term, "dumb");
}

void log_init(const char *name, enum log_level level)
{
	snprintf(log_name, sizeof(log_name), "%s", name);
	log_journal = stderr_is_journal();
	log_colour = !log_journal && stderr_has_colour();
	tzset();
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	assert((unsigned int)level < ARRAY_SIZE(levels));
	__atomic_store_n(&log_threshold, level, __ATOMIC_RELAXED);
}

void log_set_sink(log_sink_fn *fn, void *arg)
{
	log_sink = fn;
	log_sink_arg = arg;
}

int log_level_parse(const char *text, enum log_level *level)
{
	if (!strcasecmp(text, "warn"))
		text = "warning";
	for (unsigned int i = 0; i < ARRAY_SIZE(levels); i++) {
		if (!strcasecmp(text, levels[i].name)) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return (unsigned int)level < ARRAY_SIZE(levels) ? levels[level].name : "unknown";
}

/* What stands before the text. Return: its length. */
static size_t put_prefix(char *line, size_t size, enum log_level level)
{
	size_t n = 0;

	if (log_journal)
		return (size_t)snprintf(line, size, "<%c>", levels[level].syslog);
	if (__atomic_load_n(&log_threshold, __ATOMIC_RELAXED) == LOG_LVL_DEBUG) {
		struct timespec ts;
		struct tm tm;

		clock_gettime(CLOCK_REALTIME, &ts);
		localtime_r(&ts.tv_sec, &tm);
		n += (size_t)snprintf(line + n, size - n, "%02d:%02d:%02d.%06ld ", tm.tm_hour,
				      tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000);
	}
	if (log_name[0])
		n += (size_t)snprintf(line + n, size - n, "%s: ", log_name);
	if (log_colour && levels[level].colour[0])
		n += (size_t)snprintf(line + n, size - n, "%s%s\033[0m", levels[level].colour,
				      levels[level].prefix);
	else
		n += (size_t)snprintf(line + n, size - n, "%s", levels[level].prefix);
	return n;
}

/*
 * Text from outside comes quoted, but should one place forget it, it still cannot forge a second
 * line or drive the terminal.
 */
static void disarm(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	}
}

static void write_line(const char *line, size_t len)
{
	ssize_t ret;

	do {
		ret = write(STDERR_FILENO, line, len);
	} while (ret < 0 && errno == EINTR);
	/* a full pipe or a closed descriptor: there is nowhere left to say so */
}

void log_write(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[LINE_BYTES];
	size_t room;
	size_t n;
	va_list ap;
	int ret;

	assert((unsigned int)level < ARRAY_SIZE(levels));
	n = log_sink ? 0 : put_prefix(line, sizeof(line), level);
	room = sizeof(line) - n;
	errno = saved; /* for %m */
	va_start(ap, fmt);
	ret = vsnprintf(line + n, room, fmt, ap);
	va_end(ap);
	if (ret < 0)
		ret = snprintf(line + n, room, "message lost: format failed");
	if ((size_t)ret >= room) {
		/* cut where a character begins; the byte of the NUL becomes the newline */
		size_t end = room - 1 - 3;

		while (end > 0 && ((unsigned char)line[n + end] & 0xc0) == 0x80)
			end--;
		memcpy(line + n + end, "...", 3);
		ret = (int)(end + 3);
	}
	disarm(line + n, (size_t)ret);
	n += (size_t)ret;
	if (log_sink) {
		line[n] = '\0';
		log_sink(level, line, log_sink_arg);
	} else {
		line[n++] = '\n';
		write_line(line, n);
	}
	errno = saved;
}

/*
 * Several threads may stand here at once. Whoever moves the window on resets the count; a thread
 * that counted just before used up a line of the old window. Nothing that was left out is lost from
 * @dropped: it is only ever added to and taken.
 */
bool log_allowed(struct log_limit *limit, uint32_t *dropped)
{
	uint64_t now = clock_now_ns();
	uint64_t start = __atomic_load_n(&limit->window_ns, __ATOMIC_RELAXED);

	*dropped = 0;
	/* signed: another thread may have moved the window past our reading of the clock */
	if (!start || (int64_t)(now - start) >= (int64_t)limit_window_ns) {
		if (__atomic_compare_exchange_n(&limit->window_ns, &start, now, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_store_n(&limit->count, 1, __ATOMIC_RELAXED);
			*dropped = __atomic_exchange_n(&limit->dropped, 0, __ATOMIC_RELAXED);
			return true;
		}
	}
	/* read first: a flood must not make the count wrap */
	if (__atomic_load_n(&limit->count, __ATOMIC_RELAXED) < LIMIT_BURST &&
	    __atomic_fetch_add(&limit->count, 1, __ATOMIC_RELAXED) < LIMIT_BURST)
		return true;
	__atomic_fetch_add(&limit->dropped, 1, __ATOMIC_RELAXED);
	return false;
}

/* Code points that are valid but steer a terminal or the order of display. */
static bool is_steering(uint32_t cp)
{
	return (cp >= 0x80 && cp <= 0x9f) ||	 /* C1 controls */
	       (cp >= 0x200e && cp <= 0x200f) || /* direction marks */
	       (cp >= 0x2028 && cp <= 0x202e) || /* line and paragraph separators, embeddings */
	       (cp >= 0x2066 && cp <= 0x2069) || /* isolates */
	       cp == 0xfeff;
}

/*
 * Length of the printable character at @p, of which @len bytes are there; 0 if its first byte must
 * be escaped. UTF-8 per RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
static size_t printable(const unsigned char *p, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;
	size_t n;

	if (p[0] < 0x80)
		return p[0] >= ' ' && p[0] != 0x7f && p[0] != '"' && p[0] != '\\';
	if ((p[0] & 0xe0) == 0xc0)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if ((p[0] & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	cp = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3fu);
	}
	if (cp < least[n] || (cp >= 0xd800 && cp <= 0xdfff) || cp > 0x10ffff || is_steering(cp))
		return 0;
	return n;
}

const char *log_quote(char *buf, size_t size, const void *text, size_t len)
{
	const unsigned char *p = text;
	const size_t tail = sizeof("\"...") - 1; /* kept free until the end is known to fit */
	char piece[HEX_BYTES + 1];
	size_t fit = 1; /* what of @buf still leaves room for the tail */
	size_t n = 0;
	size_t i;

	if (!size)
		return buf;
	if (size < tail + 2) { /* not even "" and dots */
		buf[0] = '\0';
		return buf;
	}
	len = strnlen((const char *)p, len);
	buf[n++] = '"';
	for (i = 0; i < len;) {
		size_t take = printable(p + i, len - i);
		size_t out = take ? take : HEX_BYTES;

		if (n + out + 2 > size) /* and the closing quote, and NUL */
			break;
		if (!take)
			snprintf(piece, sizeof(piece), "\\x%02x", p[i]);
		memcpy(buf + n, take ? (const char *)p + i : piece, out);
		n += out;
		i += take ? take : 1;
		if (n + tail + 1 <= size)
			fit = n;
	}
	if (i < len) {
		memcpy(buf + fit, "\"...", tail + 1);
	} else {
		memcpy(buf + n, "\"", 2);
	}
	return buf;
}
