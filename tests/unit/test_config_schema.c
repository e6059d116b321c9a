// SPDX-License-Identifier: BSD-2-Clause
/*
 * The schema and the manual of configurations say what the parser does.
 */
#include <json-c/json.h>

#include "config/read.h"
#include "tests/unit/config/config_test.h"

static struct json_object *member(struct json_object *obj, const char *name)
{
	struct json_object *val = NULL;

	if (!json_object_object_get_ex(obj, name, &val))
		fail_msg("the schema lacks \"%s\" in %s", name, json_object_to_json_string(obj));
	return val;
}

/* A number in the schema has the range that the parser has; -1 stands for the default. */
static void compare_range(const struct config_field *field, struct json_object *property)
{
	struct json_object *any = member(property, "anyOf"),
			   *range = json_object_array_get_idx(any, 0);
	int64_t low = field->read == config_read_uint_or_default ? -1 : (int64_t)field->min;

	assert_int_equal(json_object_get_int64(member(range, "minimum")), low);
	assert_int_equal(json_object_get_int64(member(range, "maximum")), field->max);
}

static void compare_choices(const struct config_field *field, struct json_object *property)
{
	const struct config_choice *choice;
	struct json_object *names = member(property, "enum");
	size_t i;

	for (choice = field->choices; choice->name; choice++) {
		for (i = 0; i < json_object_array_length(names); i++)
			if (!strcmp(choice->name,
				    json_object_get_string(json_object_array_get_idx(names, i))
					    ?: ""))
				break;
		if (i == json_object_array_length(names))
			fail_msg("the schema's %s lacks \"%s\"", field->name, choice->name);
	}
}

static void compare_table(const struct config_table *table, struct json_object *def)
{
	struct json_object *properties = member(def, "properties"), *required = NULL;
	const struct config_field *field;
	int nr = 0, nr_required = 0;

	json_object_object_get_ex(def, "required", &required);
	for (field = table->fields; field->name; field++, nr++) {
		struct json_object *property = member(properties, field->name);

		nr_required += field->required;
		if (field->read == config_read_uint || field->read == config_read_uint_or_default)
			compare_range(field, property);
		if (field->read == config_read_choice)
			compare_choices(field, property);
	}
	if (json_object_object_length(properties) != nr)
		fail_msg("the schema's \"%s\" has %d members, the parser knows %d", table->name,
			 json_object_object_length(properties), nr);
	assert_int_equal(required ? json_object_array_length(required) : 0, nr_required);
	assert_false(json_object_get_boolean(member(def, "additionalProperties")));
}

static void test_config_schema_agrees_with_the_parser(void **state)
{
	char *text = read_file("config/nvmetcpd.schema.json", NULL);
	struct json_object *schema = json_tokener_parse(text), *defs = member(schema, "$defs");
	const struct config_table *table;
	int nr_objects = 0;

	(void)state;
	for (table = config_tables; table->name; table++, nr_objects++)
		compare_table(table, member(defs, table->name));
	json_object_object_foreach(defs, name, def)
	{
		(void)name;
		nr_objects -= json_object_object_get_ex(def, "properties", NULL);
	}
	assert_int_equal(nr_objects, 0);
	json_object_put(schema);
	free(text);
}

static void test_config_manual_names_every_member(void **state)
{
	char *text = read_file("config/nvmetcpd.json.5", NULL), word[64];
	const struct config_table *table;
	const struct config_field *field;

	(void)state;
	for (table = config_tables; table->name; table++) {
		for (field = table->fields; field->name; field++) {
			if (!strcmp(table->name, "dhchap"))
				continue; /* authentication is to come */
			snprintf(word, sizeof(word), " %s", field->name);
			if (!strstr(text, word))
				fail_msg("the manual says nothing about %s.%s", table->name,
					 field->name);
		}
	}
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_schema_agrees_with_the_parser),
		cmocka_unit_test(test_config_manual_names_every_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
