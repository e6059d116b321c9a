/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of config/: places in a document, and the collection of what is wrong with it.
 */
#ifndef CONFIG_MESSAGE_H
#define CONFIG_MESSAGE_H

#include "config/config.h"

/*
 * A place: "ports[0].addr.traddr". What does not fit is cut, the same way by everybody who builds
 * it.
 */
struct config_path {
	size_t len;
	char s[sizeof(((struct config_message *)0)->path)];
};

/*
 * Append a member or an element; return the length before, which config_path_cut() takes to undo
 * it.
 */
size_t config_path_member(struct config_path *path, const char *name, size_t len);
size_t config_path_element(struct config_path *path, size_t index);
void config_path_cut(struct config_path *path, size_t len);

/*
 * Quotes @len bytes of the document for a message: printable ASCII, cut to fit @size (at least 8).
 */
const char *config_quote(char *buf, size_t size, const char *s, size_t len);

/* A size in the largest unit of 1024 that says it exactly: "64M", "1000". */
const char *config_size_text(uint64_t bytes, char *buf, size_t size);

/* Collect one message. @path may be NULL; @line 0 is filled in later by config_text_lines(). */
void config_error(struct config_errors *errs, const char *path, uint32_t line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void config_warn(struct config_errors *errs, const char *path, uint32_t line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Orders the kept messages by line; those without one come first. */
void config_errors_sort(struct config_errors *errs);

#endif
