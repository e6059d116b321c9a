/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logging: one line per event, "message key=value key=value", to stderr (with systemd's <N>
 * priority prefixes when stderr is the journal). The function that decides logs, once. What a peer
 * can trigger goes through log_peer(), which is rate-limited, and everything a peer sent is quoted
 * with log_quote().
 *
 * Context: any thread; lines are written whole. Never above debug in the data path.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LVL_ERROR,
	LOG_LVL_WARN,
	LOG_LVL_NOTICE,
	LOG_LVL_INFO,
	LOG_LVL_DEBUG,
};

/* read with log_on(); written by log_init() and log_set_level() only */
extern enum log_level log_threshold;

/*
 * log_on() - whether lines of @level are written. Relaxed: the level may change while other threads
 * look.
 */
static inline bool log_on(enum log_level level)
{
	return level <= __atomic_load_n(&log_threshold, __ATOMIC_RELAXED);
}

/* log_init() - @name: program name printed before messages on a terminal; detects the journal. */
void log_init(const char *name, enum log_level level);
void log_set_level(enum log_level level);
/*
 * log_set_sink() - lines go to @fn, as text without a newline and what usually stands before it, and
 * not to stderr; NULL: to stderr again. Any thread may call @fn. Context: while nobody logs.
 */
typedef void log_sink_fn(enum log_level level, const char *text, void *arg);
void log_set_sink(log_sink_fn *fn, void *arg);
/*
 * log_level_parse() - "error" "warn(ing)" "notice" "info" "debug", any case. Return: 0 or -EINVAL.
 */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/*
 * One line of at most 1024 bytes with its newline, cut with "..."; control bytes become '?'. errno
 * is kept.
 */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_at(level, ...)                               \
	do {                                             \
		if (log_on(level))                       \
			log_write((level), __VA_ARGS__); \
	} while (0)
#define log_err(...)	log_at(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_LVL_WARN, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LVL_NOTICE, __VA_ARGS__)
#define log_info(...)	log_at(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...)	log_at(LOG_LVL_DEBUG, __VA_ARGS__)

/* At most 10 lines in 5 s per place in the source (burst), then a count of what was left out. */
struct log_limit {
	uint64_t window_ns;
	uint32_t count;
	uint32_t dropped;
};
bool log_allowed(struct log_limit *limit, uint32_t *dropped);

#define log_peer(level, ...)                                                             \
	do {                                                                             \
		static struct log_limit log_limit_;                                      \
		uint32_t log_dropped_;                                                   \
		if (log_on(level) && log_allowed(&log_limit_, &log_dropped_)) {          \
			if (log_dropped_)                                                \
				log_write((level), "similar messages left out count=%u", \
					  log_dropped_);                                 \
			log_write((level), __VA_ARGS__);                                 \
		}                                                                        \
	} while (0)

/*
 * log_quote() - text of a peer, a drive or a file, fit to print: in double quotes, control bytes,
 * quotes, backslashes, bytes that are not UTF-8 and characters that steer a terminal or the
 * direction of text escaped as \xNN. What does not fit in @size is cut: "begin"... @len bytes are
 * read at most, up to a NUL. @size: at least 6, else the result is empty. Return: @buf.
 */
const char *log_quote(char *buf, size_t size, const void *text, size_t len);

#endif /* COMMON_LOG_H */
