// SPDX-License-Identifier: BSD-2-Clause
/*
 * Readers of single values: numbers, sizes, booleans, text, choices, names, paths.
 *
 * Context: any one thread. Entry points: the readers that read.h lists. The kernel's tools and
 * those built on them write numbers as strings and strings as numbers, and leave blanks at the end:
 * all of that is taken.
 * Spec: NVMe Base 2.x, NVMe Qualified Names.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/nqn.h"
#include "common/util.h"
#include "config/read.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool config_text(struct json_object *val, char *buf, size_t size, size_t *len)
{
	const char *s;
	size_t n;

	*len = 0;
	if (!json_object_is_type(val, json_type_string) && !json_object_is_type(val, json_type_int))
		return false;
	s = json_object_get_string(val);
	if (!s)
		return false;
	n = strlen(s);
	if (json_object_is_type(val, json_type_string) &&
	    n != (size_t)json_object_get_string_len(val))
		return false; /* \u0000 inside */
	while (n && is_blank(s[n - 1]))
		n--;
	for (; n && is_blank(*s); s++)
		n--;
	*len = n;
	if (n >= size)
		return false;
	memcpy(buf, s, n);
	buf[n] = '\0';
	return true;
}

static bool parse_u64(const char *s, int base, uint64_t *number, const char **end)
{
	char *stop;

	if (!isxdigit((unsigned char)*s)) /* strtoull would take a sign and blanks */
		return false;
	errno = 0;
	*number = strtoull(s, &stop, base);
	*end = stop;
	return !errno && stop != s;
}

bool config_number(struct json_object *val, bool *negative, uint64_t *number)
{
	char text[32];
	const char *s = text, *end;
	size_t len;

	if (json_object_is_type(val, json_type_int)) {
		*negative = json_object_get_int64(val) < 0;
		*number = *negative ? 0 - (uint64_t)json_object_get_int64(val)
				    : json_object_get_uint64(val);
		return true;
	}
	if (!config_text(val, text, sizeof(text), &len))
		return false;
	*negative = *s == '-';
	s += *negative;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return parse_u64(s + 2, 16, number, &end) && !*end;
	return parse_u64(s, 10, number, &end) && !*end;
}

static void store(const struct config_field *field, void *obj, uint64_t number)
{
	char *at = (char *)obj + field->offset;

	switch (field->size) {
	case 1:
		*(uint8_t *)at = (uint8_t)number;
		break;
	case 2:
		*(uint16_t *)at = (uint16_t)number;
		break;
	case 4:
		*(uint32_t *)at = (uint32_t)number;
		break;
	default:
		assert(field->size == 8);
		*(uint64_t *)at = number;
	}
}

void config_read_uint(struct config_reader *rd, struct json_object *val,
		      const struct config_field *field, void *obj)
{
	uint64_t number;
	bool negative;

	if (!config_number(val, &negative, &number) || (negative && number) ||
	    number < field->min || number > field->max)
		config_read_expected(rd, val, "a number from %" PRIu64 " to %" PRIu64, field->min,
				     field->max);
	else if (field->multiple && number % field->multiple)
		config_read_expected(rd, val, "a multiple of %" PRIu64, field->multiple);
	else
		store(field, obj, number);
}

void config_read_uint_or_default(struct config_reader *rd, struct json_object *val,
				 const struct config_field *field, void *obj)
{
	uint64_t number;
	bool negative;

	if (config_number(val, &negative, &number) && negative && number == 1)
		return;
	config_read_uint(rd, val, field, obj);
}

/* "64M", "64 MiB", "1g", "4096". Units are powers of 1024. */
static bool parse_size(const char *s, uint64_t *bytes)
{
	static const char units[] = "KMGTPE";
	const char *end, *unit;
	uint64_t number;
	int shift = 0;

	if (!parse_u64(s, 10, &number, &end))
		return false;
	while (*end == ' ')
		end++;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (int)(unit - units + 1);
		end++;
		if (*end == 'i')
			end++;
	}
	if (*end == 'B')
		end++;
	if (*end || (shift && number > UINT64_MAX >> shift))
		return false;
	*bytes = number << shift;
	return true;
}

void config_read_size(struct config_reader *rd, struct json_object *val,
		      const struct config_field *field, void *obj)
{
	char text[32], low[24], high[24], step[24];
	uint64_t bytes;
	bool negative;
	size_t len;

	if (json_object_is_type(val, json_type_int)) {
		if (!config_number(val, &negative, &bytes) || negative)
			bytes = 0;
	} else if (!json_object_is_type(val, json_type_string) ||
		   !config_text(val, text, sizeof(text), &len) || !parse_size(text, &bytes)) {
		config_read_expected(rd, val, "a size like \"1G\"");
		return;
	}
	config_size_text(field->min, low, sizeof(low));
	config_size_text(field->max, high, sizeof(high));
	if (bytes < field->min || bytes > field->max || (field->pow2 && !is_pow2(bytes)))
		config_read_expected(rd, val, "a %s from %s to %s",
				     field->pow2 ? "power of two" : "size", low, high);
	else if (field->multiple && bytes % field->multiple)
		config_read_expected(rd, val, "a multiple of %s",
				     config_size_text(field->multiple, step, sizeof(step)));
	else
		store(field, obj, bytes);
}

static int parse_bool(const char *s)
{
	static const char *const yes[] = { "1", "y", "yes", "t", "true", "on" };
	static const char *const no[] = { "0", "n", "no", "f", "false", "off" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcasecmp(s, yes[i]))
			return 1;
		if (!strcasecmp(s, no[i]))
			return 0;
	}
	return -EINVAL;
}

void config_read_bool(struct config_reader *rd, struct json_object *val,
		      const struct config_field *field, void *obj)
{
	char text[8];
	size_t len;
	int on;

	if (json_object_is_type(val, json_type_boolean))
		on = json_object_get_boolean(val);
	else
		on = config_text(val, text, sizeof(text), &len) ? parse_bool(text) : -EINVAL;
	if (on < 0)
		config_read_expected(rd, val, "true or false");
	else
		*(bool *)((char *)obj + field->offset) = on;
}

void config_read_ascii(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	char *text = (char *)obj + field->offset;
	size_t len, i;
	const char *s;

	if (!config_text(val, text, field->size, &len)) {
		text[0] = '\0';
		config_read_expected(rd, val, "text of at most %zu characters", field->size - 1);
		return;
	}
	s = text;
	for (i = 0; i < len && s[i] >= 0x20 && s[i] < 0x7f; i++)
		;
	if (i < len) {
		text[0] = '\0';
		config_read_expected(rd, val, "printable ASCII characters only");
	}
}

/* Kernel words are written with blanks, hyphens or underscores ("not specified"). */
static bool same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char ca = (*a == '-' || *a == '_') ? ' ' : (char)tolower((unsigned char)*a);
		char cb = (*b == '-' || *b == '_') ? ' ' : (char)tolower((unsigned char)*b);

		if (ca != cb)
			return false;
	}
	return *a == *b;
}

void config_read_choice(struct config_reader *rd, struct json_object *val,
			const struct config_field *field, void *obj)
{
	const struct config_choice *choice;
	char text[32], list[128] = "";
	size_t len, at = 0;

	if (config_text(val, text, sizeof(text), &len)) {
		for (choice = field->choices; choice->name; choice++) {
			if (!same_word(choice->name, text))
				continue;
			memcpy((char *)obj + field->offset, &choice->value, sizeof(int));
			return;
		}
	}
	for (choice = field->choices; choice->name && at < sizeof(list); choice++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s\"%s\"",
				       !at		? ""
				       : choice[1].name ? ", "
							: " or ",
				       choice->name);
	config_read_expected(rd, val, "%s", list);
}

bool config_hex(const char *s, uint8_t *out, size_t nr)
{
	size_t i, k;

	for (i = 0; i < nr; i++) {
		uint8_t byte = 0;

		if (i && (*s == '-' || *s == ':'))
			s++;
		for (k = 0; k < 2; k++, s++) {
			if (!isxdigit((unsigned char)*s))
				return false;
			byte = (uint8_t)(byte << 4 |
					 (isdigit((unsigned char)*s)
						  ? *s - '0'
						  : tolower((unsigned char)*s) - 'a' + 10));
		}
		out[i] = byte;
	}
	return !*s;
}

bool config_take_nqn(struct config_reader *rd, struct json_object *val, bool host,
		     char nqn[MAX_NQN_BYTES])
{
	char text[MAX_NQN_BYTES];
	const char *wrong;
	size_t len = 0;

	if (!json_object_is_type(val, json_type_string) ||
	    (!config_text(val, text, sizeof(text), &len) && !len)) {
		config_read_expected(rd, val, "an NQN like \"nqn.2026-01.com.example:disk1\"");
		return false;
	}
	if (len >= sizeof(text)) {
		config_read_error(rd, "an NQN has at most %d bytes, this one has %zu",
				  MAX_NQN_BYTES - 1, len);
		return false;
	}
	wrong = nqn_check(text, len);
	if (wrong && host && nqn_is_text(text, len)) {
		config_read_warn(rd, "the NQN %s; only a host that calls itself so matches", wrong);
	} else if (wrong) {
		config_read_error(rd, "the NQN %s", wrong);
		return false;
	}
	memcpy(nqn, text, len + 1);
	return true;
}

void config_read_nqn(struct config_reader *rd, struct json_object *val,
		     const struct config_field *field, void *obj)
{
	config_take_nqn(rd, val, false, (char *)obj + field->offset);
}

void config_read_host_nqn(struct config_reader *rd, struct json_object *val,
			  const struct config_field *field, void *obj)
{
	config_take_nqn(rd, val, true, (char *)obj + field->offset);
}

/* "" keeps the place of one that is wrong. */
static void take_name(struct config_reader *rd, struct json_object *val, bool host,
		      struct config_names *names)
{
	char nqn[MAX_NQN_BYTES] = "", *copy;

	config_take_nqn(rd, val, host, nqn);
	copy = strdup(nqn);
	if (copy)
		names->name[names->nr++] = copy;
	else
		rd->nomem = true;
}

void config_take_name(struct config_reader *rd, struct json_object *val, uint32_t index, void *ctx)
{
	(void)index;
	take_name(rd, val, false, ctx);
}

void config_take_host_name(struct config_reader *rd, struct json_object *val, uint32_t index,
			   void *ctx)
{
	(void)index;
	take_name(rd, val, true, ctx);
}

/*
 * Removes "//", "/./" and '/' at the end, so that equal paths compare equal. ".." stays: links may
 * matter.
 */
static void clean_path(char *path)
{
	char *from = path, *to = path;

	while (*from) {
		if (from[0] == '/' && (from[1] == '/' || !from[1])) {
			from++;
		} else if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || !from[2])) {
			from += 2;
		} else {
			*to++ = *from++;
		}
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

void config_read_path(struct config_reader *rd, struct json_object *val,
		      const struct config_field *field, void *obj)
{
	char **pathp = (char **)(void *)((char *)obj + field->offset);
	char *path = config_alloc(rd, 1, CONFIG_PATH_SIZE), *copy;
	size_t len, i;

	if (!path)
		return;
	if (!json_object_is_type(val, json_type_string) ||
	    !config_text(val, path, CONFIG_PATH_SIZE, &len) || path[0] != '/') {
		config_read_expected(rd, val, "an absolute path like \"/dev/sdb\"");
		goto out;
	}
	for (i = 0; i < len; i++) {
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f) {
			config_read_expected(rd, val, "a path without control characters");
			goto out;
		}
	}
	clean_path(path);
	copy = strdup(path);
	if (!copy) {
		rd->nomem = true;
		goto out;
	}
	free(*pathp);
	*pathp = copy;
out:
	free(path);
}
