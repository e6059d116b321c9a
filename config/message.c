// SPDX-License-Identifier: BSD-2-Clause
/*
 * Messages about a document: the place they speak of, quoting, sizes, collecting, printing.
 *
 * Context: any one thread. Entry points: config_error(), config_warn(), config_errors_print().
 * Everything that comes out of the document passes config_quote() or config_path_member(), so that
 * a message can be printed on a terminal whatever the document holds.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "config/message.h"

static void path_append(struct config_path *path, const char *s, size_t len)
{
	size_t room = sizeof(path->s) - 1 - path->len;

	if (len > room)
		len = room;
	memcpy(path->s + path->len, s, len);
	path->len += len;
	path->s[path->len] = '\0';
}

static bool is_plain(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
			return false;
	return len > 0;
}

size_t config_path_member(struct config_path *path, const char *name, size_t len)
{
	size_t before = path->len;
	char quoted[64];

	if (is_plain(name, len)) {
		if (before)
			path_append(path, ".", 1);
		path_append(path, name, min_of(len, sizeof(quoted)));
	} else {
		config_quote(quoted, sizeof(quoted), name, len);
		path_append(path, "[", 1);
		path_append(path, quoted, strlen(quoted));
		path_append(path, "]", 1);
	}
	return before;
}

size_t config_path_element(struct config_path *path, size_t index)
{
	size_t before = path->len;
	char text[32];

	path_append(path, text, (size_t)snprintf(text, sizeof(text), "[%zu]", index));
	return before;
}

void config_path_cut(struct config_path *path, size_t len)
{
	path->len = len;
	path->s[len] = '\0';
}

const char *config_quote(char *buf, size_t size, const char *s, size_t len)
{
	size_t at = 0, i;

	buf[at++] = '"';
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		if (at + (plain ? 1 : 4) + 5 > size) {
			memcpy(buf + at, "...", 3);
			at += 3;
			break;
		}
		if (plain)
			buf[at++] = (char)c;
		else if (c == '"' || c == '\\')
			at += (size_t)snprintf(buf + at, size - at, "\\%c", c);
		else
			at += (size_t)snprintf(buf + at, size - at, "\\x%02x", c);
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}

const char *config_size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char unit[] = " KMGTPE";
	int i = 0;

	while (bytes && !(bytes & 1023) && unit[i + 1]) {
		bytes >>= 10;
		i++;
	}
	snprintf(buf, size, i ? "%" PRIu64 "%c" : "%" PRIu64, bytes, unit[i]);
	return buf;
}

static void collect(struct config_message *kept, uint32_t max, uint32_t *nr, const char *path,
		    uint32_t line, const char *fmt, va_list args)
{
	if (*nr < max) {
		struct config_message *msg = &kept[*nr];

		msg->line = line;
		snprintf(msg->path, sizeof(msg->path), "%s", path ? path : "");
		vsnprintf(msg->text, sizeof(msg->text), fmt, args);
	}
	if (*nr < UINT32_MAX)
		(*nr)++;
}

void config_error(struct config_errors *errs, const char *path, uint32_t line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	collect(errs->error, CONFIG_MAX_ERRORS, &errs->nr_errors, path, line, fmt, args);
	va_end(args);
}

void config_warn(struct config_errors *errs, const char *path, uint32_t line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	collect(errs->warning, CONFIG_MAX_WARNINGS, &errs->nr_warnings, path, line, fmt, args);
	va_end(args);
}

/* A stable sort, so that messages of one line stay in the order they were found. */
static void sort(struct config_message *msg, uint32_t nr)
{
	uint32_t i, j;

	for (i = 1; i < nr; i++) {
		struct config_message moved = msg[i];

		for (j = i; j > 0 && msg[j - 1].line > moved.line; j--)
			msg[j] = msg[j - 1];
		msg[j] = moved;
	}
}

void config_errors_sort(struct config_errors *errs)
{
	sort(errs->error, min_of(errs->nr_errors, (uint32_t)CONFIG_MAX_ERRORS));
	sort(errs->warning, min_of(errs->nr_warnings, (uint32_t)CONFIG_MAX_WARNINGS));
}

static void print(const struct config_message *msg, FILE *out, const char *name, const char *kind)
{
	fprintf(out, "%s:", name);
	if (msg->line)
		fprintf(out, "%u:", msg->line);
	fprintf(out, " %s%s%s%s\n", kind, msg->path, msg->path[0] ? ": " : "", msg->text);
}

void config_errors_print(const struct config_errors *errs, FILE *out, const char *name)
{
	uint32_t i;

	for (i = 0; i < errs->nr_errors && i < CONFIG_MAX_ERRORS; i++)
		print(&errs->error[i], out, name, "");
	if (errs->nr_errors > CONFIG_MAX_ERRORS)
		fprintf(out, "%s: %u more errors\n", name, errs->nr_errors - CONFIG_MAX_ERRORS);
	for (i = 0; i < errs->nr_warnings && i < CONFIG_MAX_WARNINGS; i++)
		print(&errs->warning[i], out, name, "warning: ");
	if (errs->nr_warnings > CONFIG_MAX_WARNINGS)
		fprintf(out, "%s: warning: %u more warnings\n", name,
			errs->nr_warnings - CONFIG_MAX_WARNINGS);
}
