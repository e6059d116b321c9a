// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading JSON objects and lists by tables of fields.
 *
 * Context: any one thread. Entry points: config_read_fields(), config_read_list(). Members are read
 * in the order of the table, not of the file: so that the daemon's defaults are known when a port
 * is read, and the subsystems when it refers to them. Messages are put into the order of the file
 * at the end.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "config/read.h"

void config_read_error(struct config_reader *rd, const char *fmt, ...)
{
	char text[sizeof(rd->errs->error[0].text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	config_error(rd->errs, rd->path.s, 0, "%s", text);
}

void config_read_warn(struct config_reader *rd, const char *fmt, ...)
{
	char text[sizeof(rd->errs->error[0].text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	config_warn(rd->errs, rd->path.s, 0, "%s", text);
}

static const char *describe(struct json_object *val, char *buf, size_t size)
{
	switch (json_object_get_type(val)) {
	case json_type_null:
		return "null";
	case json_type_object:
		return "an object { }";
	case json_type_array:
		return "a list [ ]";
	case json_type_string:
		return config_quote(buf, size, json_object_get_string(val),
				    (size_t)json_object_get_string_len(val));
	default:
		snprintf(buf, size, "%s", json_object_to_json_string(val));
		return buf;
	}
}

void config_read_expected(struct config_reader *rd, struct json_object *val, const char *fmt, ...)
{
	char what[160], got[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	config_read_error(rd, "expected %s, got %s", what, describe(val, got, sizeof(got)));
}

void *config_alloc(struct config_reader *rd, size_t nr, size_t size)
{
	void *p = calloc(nr ? nr : 1, size);

	if (!p)
		rd->nomem = true;
	return p;
}

/* null and "" say as much as leaving the member out: the kernel's tools write both. */
static bool is_absent(struct json_object *val)
{
	if (!val)
		return true;
	if (!json_object_is_type(val, json_type_string))
		return false;
	return !json_object_get_string(val)[strspn(json_object_get_string(val), " \t\r\n")] &&
	       !memchr(json_object_get_string(val), '\0', (size_t)json_object_get_string_len(val));
}

static const struct config_field *find_field(const struct config_field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (!strcmp(fields->name, name))
			return fields;
	return NULL;
}

static void warn_unknown(struct config_reader *rd, struct json_object *val,
			 const struct config_field *fields)
{
	struct json_object_iterator it = json_object_iter_begin(val);
	struct json_object_iterator end = json_object_iter_end(val);

	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		const char *name = json_object_iter_peek_name(&it);
		size_t before;

		if (find_field(fields, name))
			continue;
		before = config_path_member(&rd->path, name, strlen(name));
		if (rd->errs->strict)
			config_read_error(rd, "unknown name");
		else
			config_read_warn(rd, "unknown name, ignored");
		config_path_cut(&rd->path, before);
	}
}

bool config_read_fields(struct config_reader *rd, struct json_object *val,
			const struct config_field *fields, void *obj)
{
	const struct config_field *field;

	if (!json_object_is_type(val, json_type_object)) {
		config_read_expected(rd, val, "an object { }");
		return false;
	}
	for (field = fields; field->name; field++) {
		struct json_object *member = NULL;

		json_object_object_get_ex(val, field->name, &member);
		if (!is_absent(member)) {
			size_t before =
				config_path_member(&rd->path, field->name, strlen(field->name));

			field->read(rd, member, field, obj);
			config_path_cut(&rd->path, before);
		} else if (field->required) {
			config_read_error(rd, "\"%s\" is missing", field->name);
		}
	}
	warn_unknown(rd, val, fields);
	return true;
}

void *config_alloc_list(struct config_reader *rd, struct json_object *val, uint32_t max,
			size_t size)
{
	if (!json_object_is_type(val, json_type_array) || json_object_array_length(val) > max)
		return NULL;
	return config_alloc(rd, json_object_array_length(val) + 1, size);
}

void config_read_list(struct config_reader *rd, struct json_object *val, uint32_t max,
		      config_element_fn *fn, void *ctx)
{
	size_t nr, i;

	if (!json_object_is_type(val, json_type_array)) {
		config_read_expected(rd, val, "a list [ ]");
		return;
	}
	nr = json_object_array_length(val);
	if (nr > max) {
		config_read_error(rd, "at most %u elements, got %zu", max, nr);
		return;
	}
	for (i = 0; i < nr && !rd->nomem; i++) {
		size_t before = config_path_element(&rd->path, i);

		fn(rd, json_object_array_get_idx(val, i), (uint32_t)i, ctx);
		config_path_cut(&rd->path, before);
	}
}

void config_read_group(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	config_read_fields(rd, val, field->fields, obj);
}

void config_read_ignored(struct config_reader *rd, struct json_object *val,
			 const struct config_field *field, void *obj)
{
	(void)rd;
	(void)val;
	(void)field;
	(void)obj;
}
