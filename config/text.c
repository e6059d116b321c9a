// SPDX-License-Identifier: BSD-2-Clause
/*
 * The text of a document: comments out, duplicate names found, lines for messages.
 *
 * json-c builds the tree (parse.c), but it keeps no positions, lets the last of two equal names
 * win, and takes comments only where it is lax about everything else. So the text is cleaned first
 * and read by json-c in strict mode; afterwards a small walk over the now valid text finds what
 * json-c does not tell.
 *
 * Context: any one thread. Entry points: config_text_clean(), config_text_members(),
 * config_text_lines().
 * Spec: RFC 8259.
 */
#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "config/text.h"

struct cleaner {
	char *text;
	size_t len, at;
	uint32_t line;
	char last; /* the last character that was neither blank nor comment */
	struct config_errors *errs;
};

uint32_t config_text_line(const char *text, size_t at)
{
	uint32_t line = 1;
	size_t i;

	for (i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

static bool clean_fail(struct cleaner *c, const char *what)
{
	config_error(c->errs, NULL, c->line, "%s", what);
	return false;
}

static bool clean_string(struct cleaner *c)
{
	size_t i;

	for (i = c->at + 1; i < c->len; i++) {
		unsigned char b = (unsigned char)c->text[i];

		if (b == '\n' || b == '\r')
			return clean_fail(c, "a string has no closing '\"' on its line");
		if (b < 0x20)
			return clean_fail(
				c, "a string contains a control character; write it as \\u00XX");
		if (b == '"') {
			c->at = i + 1;
			c->last = '"';
			return true;
		}
		if (b == '\\' && i + 1 < c->len && (unsigned char)c->text[i + 1] >= 0x20)
			i++;
	}
	return clean_fail(c, "a string has no closing '\"'");
}

static void clean_line_comment(struct cleaner *c)
{
	while (c->at < c->len && c->text[c->at] != '\n')
		c->text[c->at++] = ' ';
}

static bool clean_block_comment(struct cleaner *c)
{
	uint32_t line = c->line;
	size_t i;

	for (i = c->at + 2; i < c->len; i++) {
		if (c->text[i] == '\n') {
			line++;
		} else if (c->text[i] == '/' && c->text[i - 1] == '*' && i >= c->at + 3) {
			for (; c->at <= i; c->at++)
				if (c->text[c->at] != '\n')
					c->text[c->at] = ' ';
			c->line = line;
			return true;
		}
	}
	return clean_fail(c, "a comment that starts with /* is not closed");
}

/*
 * json-c takes NaN and Infinity even in strict mode; a name without quotes is the more usual
 * mistake.
 */
static bool clean_word(struct cleaner *c)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t len = 0, i;
	char quoted[32];

	while (c->at + len < c->len && isalnum((unsigned char)c->text[c->at + len]))
		len++;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i]) != len || memcmp(c->text + c->at, words[i], len) != 0)
			continue;
		c->at += len;
		c->last = 'a';
		return true;
	}
	config_error(c->errs, NULL, c->line, "expected true, false, null or text in quotes, got %s",
		     config_quote(quoted, sizeof(quoted), c->text + c->at, len));
	return false;
}

/* One character outside of strings and comments. */
static bool clean_plain(struct cleaner *c, char b)
{
	if (b == '#')
		return clean_fail(c, "'#' starts no comment here; write // or /* */");
	if (b == '\'')
		return clean_fail(c, "a string is written with \" and not with '");
	if ((b == '}' || b == ']') && c->last == ',')
		return clean_fail(c, b == '}' ? "a ',' stands before '}'; remove it"
					      : "a ',' stands before ']'; remove it");
	if (isalpha((unsigned char)b) &&
	    !(toupper((unsigned char)b) == 'E' && isdigit((unsigned char)c->last)))
		return clean_word(c);
	if (b == '\n')
		c->line++;
	else if (b != ' ' && b != '\t' && b != '\r')
		c->last = b;
	c->at++;
	return true;
}

bool config_text_clean(char *text, size_t len, struct config_errors *errs)
{
	struct cleaner c = { .text = text, .len = len, .line = 1, .errs = errs };
	const char *nul = memchr(text, '\0', len);
	bool ok = true;

	if (nul) {
		config_error(errs, NULL, config_text_line(text, (size_t)(nul - text)),
			     "the file contains a NUL byte: it is not JSON text");
		return false;
	}
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		memset(text, ' ', 3);
	while (ok && c.at < len) {
		char b = text[c.at];
		char next = c.at + 1 < len ? text[c.at + 1] : '\0';

		if (b == '"')
			ok = clean_string(&c);
		else if (b == '/' && next == '/')
			clean_line_comment(&c);
		else if (b == '/' && next == '*')
			ok = clean_block_comment(&c);
		else
			ok = clean_plain(&c, b);
	}
	if (ok && !c.last) {
		config_error(errs, NULL, 0, "the file is empty; the least is { }");
		return false;
	}
	return ok;
}

/* ---- the walk over valid text ---- */

struct member {
	const char *name; /* in the text, or in ->owned when it had escapes */
	size_t len;
	uint32_t line;
	char *owned;
};

struct level {
	bool object;
	size_t path_len; /* of the object or list itself */
	size_t index;	 /* list: the next element's */
	uint32_t nr;	 /* object: members so far */
	struct member member[CONFIG_MAX_MEMBERS];
};

struct walk {
	const char *p, *end;
	uint32_t line;
	struct config_path path;
	int depth; /* open objects and lists */
	struct level level[CONFIG_MAX_DEPTH + 1];
	/* What the caller wants: each returns false to stop the walk. */
	bool (*place)(struct walk *w);
	bool (*member)(struct walk *w, struct level *level, const struct member *m);
	struct config_errors *errs;
	uint32_t missing; /* _lines(): messages still without a line */
};

static void member_done(struct member *m)
{
	free(m->owned);
	m->owned = NULL;
}

static void level_done(struct level *level)
{
	uint32_t i;

	for (i = 0; i < level->nr; i++)
		member_done(&level->member[i]);
	level->nr = 0;
}

/* Names with escapes are rare: let the library decode them, the quotes included. */
static void member_decode(struct member *m)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *name = NULL;

	if (!tok)
		return;
	name = json_tokener_parse_ex(tok, m->name - 1, (int)m->len + 2);
	if (name && json_object_is_type(name, json_type_string)) {
		size_t len = (size_t)json_object_get_string_len(name);

		m->owned = malloc(len + 1);
		if (m->owned) {
			memcpy(m->owned, json_object_get_string(name), len + 1);
			m->name = m->owned;
			m->len = len;
		}
	}
	json_object_put(name);
	json_tokener_free(tok);
}

static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < end)
			p++;
	return p;
}

static bool walk_name(struct walk *w, struct level *level)
{
	const char *close = string_end(w->p, w->end);
	struct member m = { .name = w->p + 1, .len = (size_t)(close - w->p - 1), .line = w->line };
	bool ok = true;

	if (memchr(m.name, '\\', m.len))
		member_decode(&m);
	config_path_cut(&w->path, level->path_len);
	config_path_member(&w->path, m.name, m.len);
	if (w->member)
		ok = w->member(w, level, &m);
	if (ok && w->place)
		ok = w->place(w);
	if (level->nr < CONFIG_MAX_MEMBERS)
		level->member[level->nr++] = m;
	else
		member_done(&m);
	w->p = close < w->end ? close + 1 : close;
	/* To the value: a name is followed by ':' in valid text. */
	while (w->p < w->end && *w->p != ':') {
		w->line += *w->p == '\n';
		w->p++;
	}
	return ok;
}

static bool walk_open(struct walk *w, bool object)
{
	struct level *level;

	if (w->depth > CONFIG_MAX_DEPTH)
		return false;
	level = &w->level[w->depth++];
	level->object = object;
	level->path_len = w->path.len;
	level->index = 0;
	level->nr = 0;
	return true;
}

/* A value starts at w->p; in an object its name has set the path already. */
static bool walk_value(struct walk *w, struct level *level)
{
	char b = *w->p;

	if (level && !level->object) {
		config_path_cut(&w->path, level->path_len);
		config_path_element(&w->path, level->index++);
		if (w->place && !w->place(w))
			return false;
	}
	if (b == '{' || b == '[') {
		w->p++;
		return walk_open(w, b == '{');
	}
	if (b == '"') {
		w->p = string_end(w->p, w->end);
		w->p += w->p < w->end;
		return true;
	}
	while (w->p < w->end && !strchr(" \t\r\n,]}", *w->p))
		w->p++;
	return true;
}

static void walk_text(struct walk *w, const char *text, size_t len)
{
	bool ok = true;

	w->line = 1;
	w->p = text;
	w->end = text + len;
	while (ok && w->p < w->end) {
		struct level *level = w->depth ? &w->level[w->depth - 1] : NULL;
		bool in_value = level && level->object && *w->p == ':';

		if (in_value || strchr(" \t\r\n,", *w->p)) {
			w->line += *w->p++ == '\n';
			if (!in_value)
				continue;
			while (w->p < w->end && strchr(" \t\r\n", *w->p))
				w->line += *w->p++ == '\n';
			ok = w->p < w->end && walk_value(w, level);
		} else if (*w->p == '}' || *w->p == ']') {
			if (!level)
				break;
			level_done(level);
			w->depth--;
			w->p++;
		} else if (level && level->object && *w->p == '"') {
			ok = walk_name(w, level);
		} else {
			ok = walk_value(w, level);
		}
	}
	while (w->depth)
		level_done(&w->level[--w->depth]);
}

static bool check_member(struct walk *w, struct level *level, const struct member *m)
{
	uint32_t i;

	for (i = 0; i < level->nr; i++) {
		const struct member *other = &level->member[i];

		if (other->len != m->len || memcmp(other->name, m->name, m->len) != 0)
			continue;
		config_error(w->errs, w->path.s, m->line, "is given twice, first in line %u",
			     other->line);
		return true;
	}
	if (level->nr == CONFIG_MAX_MEMBERS) {
		config_path_cut(&w->path, level->path_len);
		config_error(w->errs, w->path.s, m->line, "an object has at most %u members",
			     CONFIG_MAX_MEMBERS);
		return false;
	}
	return true;
}

void config_text_members(const char *text, size_t len, struct config_errors *errs)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w) {
		config_error(errs, NULL, 0, "out of memory");
		return;
	}
	w->errs = errs;
	w->member = check_member;
	walk_text(w, text, len);
	free(w);
}

static void give_line(struct walk *w, struct config_message *msg, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (msg[i].line || !msg[i].path[0] || strcmp(msg[i].path, w->path.s) != 0)
			continue;
		msg[i].line = w->line;
		w->missing--;
	}
}

static bool give_lines(struct walk *w)
{
	struct config_errors *errs = w->errs;

	give_line(w, errs->error, min_of(errs->nr_errors, (uint32_t)CONFIG_MAX_ERRORS));
	give_line(w, errs->warning, min_of(errs->nr_warnings, (uint32_t)CONFIG_MAX_WARNINGS));
	return w->missing > 0;
}

static uint32_t count_missing(const struct config_message *msg, uint32_t nr)
{
	uint32_t missing = 0, i;

	for (i = 0; i < nr; i++)
		missing += !msg[i].line && msg[i].path[0];
	return missing;
}

void config_text_lines(const char *text, size_t len, struct config_errors *errs)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return; /* messages without lines are messages still */
	w->errs = errs;
	w->missing =
		count_missing(errs->error, min_of(errs->nr_errors, (uint32_t)CONFIG_MAX_ERRORS)) +
		count_missing(errs->warning,
			      min_of(errs->nr_warnings, (uint32_t)CONFIG_MAX_WARNINGS));
	w->place = give_lines;
	if (w->missing)
		walk_text(w, text, len);
	free(w);
}
