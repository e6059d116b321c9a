// SPDX-License-Identifier: BSD-2-Clause
/*
 * Configurations that are wrong: each is refused with a message that names the place, whatever the
 * bytes are. The files in tests/unit/config/ carry what to expect in comments; the program's own
 * test of --check reads them, too.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/unit/config/broken_cases.h"
#include "tests/unit/config/config_test.h"

#define BROKEN "tests/unit/config/"
static void check_case(const struct broken *b)
{
	struct config *cfg = NULL;
	uint32_t line = b->line ? b->line : b->path[0] != '\0';
	int ret = parse(b->text, &cfg);
	uint32_t i;

	if (ret != -EINVAL || cfg || !errs.nr_errors)
		fail_msg("returned %d with %u errors: %s", ret, errs.nr_errors, b->text);
	for (i = 0; i < errs.nr_errors && i < CONFIG_MAX_ERRORS; i++)
		if (!strcmp(errs.error[i].path, b->path) && strstr(errs.error[i].text, b->says) &&
		    errs.error[i].line == line)
			return;
	config_errors_print(&errs, stdout, "got");
	fail_msg("expected %u: %s: %s; text: %s", line, b->path, b->says, b->text);
}

static void check_cases(const struct broken *b, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		check_case(&b[i]);
}

static void test_config_broken_syntax_names_the_line(void **state)
{
	(void)state;
	check_cases(syntax, ARRAY_SIZE(syntax));
}

static void test_config_broken_daemon_names_the_place(void **state)
{
	(void)state;
	check_cases(daemon_cases, ARRAY_SIZE(daemon_cases));
}

static void test_config_broken_subsystem_names_the_place(void **state)
{
	(void)state;
	check_cases(subsystem_cases, ARRAY_SIZE(subsystem_cases));
}

static void test_config_broken_namespace_names_the_place(void **state)
{
	(void)state;
	check_cases(namespace_cases, ARRAY_SIZE(namespace_cases));
}

static void test_config_broken_port_names_the_place(void **state)
{
	(void)state;
	check_cases(port_cases, ARRAY_SIZE(port_cases));
}

/* The message, or none, is in a line "// expect: LINE: PATH: TEXT" of the file itself. */
static void check_file(const char *path)
{
	static const char mark[] = "// expect: ";
	struct config *cfg = NULL;
	char *text, *p, *printed = NULL, *line;
	size_t len;
	FILE *out;
	int nr = 0;

	memset(&errs, 0, sizeof(errs));
	assert_int_equal(config_load(path, &cfg, &errs), -EINVAL);
	out = open_memstream(&printed, &len);
	assert_non_null(out);
	config_errors_print(&errs, out, path);
	fclose(out);
	text = read_file(path, NULL);
	for (p = strstr(text, mark); p; p = strstr(p, mark), nr++) {
		p += strlen(mark);
		assert_true(asprintf(&line, "%s:%.*s", path, (int)strcspn(p, "\n"), p) > 0);
		if (!strstr(printed, line))
			fail_msg("expected %s, got %s", line, printed);
		free(line);
	}
	assert_true(nr > 0);
	free(printed);
	free(text);
}

static void test_config_broken_files_give_what_they_announce(void **state)
{
	DIR *dir = opendir(BROKEN);
	const struct dirent *entry;
	char path[512];
	int nr = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		const char *end = strrchr(entry->d_name, '.');

		if (!end || strcmp(end, ".json") != 0)
			continue;
		snprintf(path, sizeof(path), BROKEN "%s", entry->d_name);
		check_file(path);
		nr++;
	}
	closedir(dir);
	assert_true(nr >= 10);
}

static void test_config_nul_byte_is_refused(void **state)
{
	static const char text[] = "{\n\0}";
	struct config *cfg = NULL;

	(void)state;
	memset(&errs, 0, sizeof(errs));
	assert_int_equal(config_parse(text, sizeof(text) - 1, &cfg, &errs), -EINVAL);
	assert_int_equal(errs.error[0].line, 2);
	assert_non_null(strstr(errs.error[0].text, "NUL"));
}

static void test_config_many_errors_are_counted_and_bounded(void **state)
{
	char text[8192] = "{\"hosts\":[", *printed = NULL;
	struct config *cfg = NULL;
	size_t at = strlen(text), len;
	FILE *out;
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s{\"nqn\":%d}\n",
				       i ? "," : "", i);
	snprintf(text + at, sizeof(text) - at, "],\"x\":1}");
	assert_int_equal(parse(text, &cfg), -EINVAL);
	assert_int_equal(errs.nr_errors, 100);
	assert_string_equal(errs.error[31].path, "hosts[31].nqn");
	assert_int_equal(errs.error[31].line, 32);
	out = open_memstream(&printed, &len);
	assert_non_null(out);
	config_errors_print(&errs, out, "f");
	fclose(out);
	assert_non_null(strstr(printed, "\nf: 68 more errors\n"));
	assert_non_null(strstr(printed, "\nf:101: warning: x: unknown name, ignored\n"));
	free(printed);
}

static void test_config_large_objects_are_refused(void **state)
{
	char text[4096] = "{\"ports\":[{";
	struct config *cfg = NULL;
	size_t at = strlen(text);
	int i;

	(void)state;
	for (i = 0; i <= CONFIG_MAX_MEMBERS; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"m%d\":1", i ? "," : "",
				       i);
	snprintf(text + at, sizeof(text) - at, "}]}");
	assert_int_equal(parse(text, &cfg), -EINVAL);
	assert_string_equal(errs.error[0].path, "ports[0]");
	assert_string_equal(errs.error[0].text, "an object has at most 64 members");
}

static void check_long_list(const char *name, const char *element, uint32_t max)
{
	const size_t size = 64 + ((size_t)max + 1) * (strlen(element) + 1);
	char *text = malloc(size), says[64];
	struct config *cfg = NULL;
	size_t at;
	uint32_t i;

	assert_non_null(text);
	at = (size_t)snprintf(text, size, "{\"%s\":[", name);
	for (i = 0; i <= max; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "," : "", element);
	snprintf(text + at, size - at, "]}");
	assert_int_equal(parse(text, &cfg), -EINVAL);
	snprintf(says, sizeof(says), "at most %u elements, got %u", max, max + 1);
	assert_int_equal(errs.nr_errors, 1);
	assert_string_equal(errs.error[0].path, name);
	assert_string_equal(errs.error[0].text, says);
	free(text);
}

static void test_config_long_lists_are_refused(void **state)
{
	(void)state;
	check_long_list("hosts", "{}", MAX_HOSTS);
	check_long_list("subsystems", "{}", MAX_SUBSYSTEMS);
	check_long_list("ports", "{}", MAX_PORTS);
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static void check_messages(const struct config_message *msg, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		assert_true(memchr(msg[i].path, '\0', sizeof(msg[i].path)) != NULL);
		assert_true(memchr(msg[i].text, '\0', sizeof(msg[i].text)) != NULL);
		if (!is_printable(msg[i].path) || !is_printable(msg[i].text) || !msg[i].text[0])
			fail_msg("not fit to be printed: %s: %s", msg[i].path, msg[i].text);
	}
}

static void check_all_messages(void)
{
	check_messages(errs.error, min_of(errs.nr_errors, (uint32_t)CONFIG_MAX_ERRORS));
	check_messages(errs.warning, min_of(errs.nr_warnings, (uint32_t)CONFIG_MAX_WARNINGS));
}

static void test_config_messages_quote_what_the_file_holds(void **state)
{
	static const char *const texts[] = {
		"{\"\\u001b[2J\xc2\x9b\":1,\"ports\":{},\"\":2}",
		"{\"hosts\":[{\"nqn\":\"\\u001b[2J\\r\\n\xe2\x80\xae\"},"
		"{\"nqn\":\"a\xc2\xa0\xe2\x82\xac\"}]}",
		"{\"hosts\":[\"\x7f\\u0000\\\"\\\\\"]}",
		PORT("\"subsystems\":[\"nqn.2026-01.org.example:\xe2\x82\xac\"]"),
		ADDR("\"traddr\":\"" A100 A100 "\""),
		"{\"" A100 A100 A100 "\":{\"" A100 "\":1}}",
		DEVICE("\"uuid\":\"\\u001b\",\"" A100 "\\u001b" A100 "\":{}"),
	};
	struct config *cfg;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		cfg = NULL;
		if (!parse(texts[i], &cfg))
			config_free(cfg);
		assert_true(errs.nr_errors + errs.nr_warnings > 0);
		check_all_messages();
	}
}

/* ---- files that cannot be read ---- */

static void check_load(const char *path, int want, const char *says)
{
	struct config *cfg = NULL;

	memset(&errs, 0, sizeof(errs));
	assert_int_equal(config_load(path, &cfg, &errs), want);
	assert_null(cfg);
	assert_int_equal(errs.nr_errors, 1);
	if (!strstr(errs.error[0].text, says))
		fail_msg("%s: expected \"%s\", got \"%s\"", path, says, errs.error[0].text);
}

static void test_config_load_says_why_a_file_cannot_be_read(void **state)
{
	char dir[] = "/tmp/test_config.XXXXXX", path[64];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	check_load(path, -ENOENT, "cannot open it: No such file or directory");
	check_load(dir, -EISDIR, "is a directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	check_load(path, -EINVAL, "is not a regular file");
	assert_int_equal(unlink(path), 0);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	check_load(path, -EINVAL, "the file is empty");
	assert_int_equal(truncate(path, CONFIG_MAX_FILE + 1), 0);
	check_load(path, -EFBIG, "larger than 16 MiB");
	assert_int_equal(truncate(path, CONFIG_MAX_FILE), 0);
	check_load(path, -EINVAL, "NUL byte");
	/* root reads everything, so be somebody else for a moment */
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	if (!getuid())
		assert_int_equal(seteuid(65534), 0);
	check_load(path, -EACCES, "Permission denied");
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- mutations ---- */

#define NR_MUTATIONS 6000
#define MUTANT_SIZE  16384

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 32) % below;
}

static void seed_rng(void)
{
	const char *given = getenv("TEST_SEED");

	if (given)
		rng_state = strtoull(given, NULL, 0);
	else
		assert_int_equal(getrandom(&rng_state, sizeof(rng_state), 0), sizeof(rng_state));
	rng_state += !rng_state;
	print_message("TEST_SEED=0x%llx\n", (unsigned long long)rng_state);
}

/* Replaces @cut bytes at @at by @len bytes; does nothing if there is no room. */
static void splice(char *text, size_t *lenp, size_t at, size_t cut, const char *with, size_t len)
{
	char copy[256];

	len = min_of(len, sizeof(copy));
	cut = min_of(cut, *lenp - at);
	if (*lenp - cut + len > MUTANT_SIZE)
		return;
	memcpy(copy, with, len); /* it may be a part of the text */
	memmove(text + at + len, text + at + cut, *lenp - at - cut);
	memcpy(text + at, copy, len);
	*lenp += len - cut;
}

/* The start of a value, somewhere: what follows a ':', '[' or ','. */
static size_t some_value(const char *text, size_t len)
{
	size_t at = rng((uint32_t)len), i;

	for (i = at; i < len; i++)
		if (text[i] == ':' || text[i] == '[' || text[i] == ',')
			return i + 1;
	return at;
}

static void mutate(char *text, size_t *lenp)
{
	static const char *const words[] = {
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		"\"",
		"\\",
		"//",
		"/*",
		"*/",
		"\n",
		"null",
		"true",
		"0",
		"-1",
		"1",
		"2",
		"4294967295",
		"18446744073709551616",
		"1e9",
		"\"\"",
		"\"1G\"",
		"\"::\"",
		"\"0\"",
		"{}",
		"[]",
		"\"tcp\"",
		"\"\\u0000\"",
		"\xff",
		"\"" NQN "\"",
		"\"path\":\"/a\",",
		"\"mem\":4096,",
		"\"enable\":0,",
		"\"a\":{\"a\":1},",
		"{\"nsid\":1},",
		"\"null\"",
	};
	const char *word = words[rng(ARRAY_SIZE(words))];
	size_t at = rng((uint32_t)*lenp), value = some_value(text, *lenp), from;

	switch (rng(6)) {
	case 0:
		text[at] ^= (char)(1u << rng(8));
		break;
	case 1:
		splice(text, lenp, at, rng(16), "", 0);
		break;
	case 2:
		splice(text, lenp, at, 0, word, strlen(word));
		break;
	case 3: /* another value */
		splice(text, lenp, value, strcspn(text + value, ",]}\n"), word, strlen(word));
		break;
	case 4: /* a piece twice, elsewhere */
		from = rng((uint32_t)*lenp);
		splice(text, lenp, at, 0, text + from, min_of(*lenp - from, (size_t)rng(200)));
		break;
	default: /* a value from elsewhere */
		from = some_value(text, *lenp);
		splice(text, lenp, value, strcspn(text + value, ",]}\n"), text + from,
		       strcspn(text + from, ",]}\n"));
	}
}

/* Either it is taken, and then what it means can be written and read, or the errors say why not. */
static bool check_mutant(const char *text, size_t len)
{
	struct config *cfg = NULL;
	int ret;

	memset(&errs, 0, sizeof(errs));
	ret = config_parse(text, len, &cfg, &errs);
	check_all_messages();
	if (ret) {
		assert_int_equal(ret, -EINVAL);
		assert_null(cfg);
		assert_true(errs.nr_errors > 0);
		return false;
	}
	assert_int_equal(errs.nr_errors, 0);
	check_round_trip(cfg);
	config_free(cfg);
	return true;
}

static void test_config_mutants_are_taken_whole_or_refused(void **state)
{
	static const char *const seeds[] = {
		"config/examples/minimal.json",	   "config/examples/file.json",
		"config/examples/datacenter.json", "config/examples/kernel-target.json",
		"config/examples/remote.json",	   BROKEN "several.json",
		BROKEN "device-twice.json",
	};
	char *text = malloc(MUTANT_SIZE + 1);
	int taken = 0, i, k;

	(void)state;
	assert_non_null(text);
	seed_rng();
	for (i = 0; i < NR_MUTATIONS; i++) {
		size_t len;
		char *seed = read_file(seeds[rng(ARRAY_SIZE(seeds))], &len);

		assert_true(len > 0 && len < MUTANT_SIZE);
		memcpy(text, seed, len);
		free(seed);
		for (k = (int)rng(4); k >= 0 && len; k--) {
			text[len] = '\0'; /* for strcspn() */
			mutate(text, &len);
		}
		taken += check_mutant(text, len);
	}
	print_message("%d of %d mutants were taken\n", taken, NR_MUTATIONS);
	/* A test in which nothing, or everything, gets through tries nothing. */
	assert_true(taken > NR_MUTATIONS / 100 && taken < NR_MUTATIONS * 9 / 10);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_broken_syntax_names_the_line),
		cmocka_unit_test(test_config_broken_daemon_names_the_place),
		cmocka_unit_test(test_config_broken_subsystem_names_the_place),
		cmocka_unit_test(test_config_broken_namespace_names_the_place),
		cmocka_unit_test(test_config_broken_port_names_the_place),
		cmocka_unit_test(test_config_broken_files_give_what_they_announce),
		cmocka_unit_test(test_config_nul_byte_is_refused),
		cmocka_unit_test(test_config_many_errors_are_counted_and_bounded),
		cmocka_unit_test(test_config_large_objects_are_refused),
		cmocka_unit_test(test_config_long_lists_are_refused),
		cmocka_unit_test(test_config_messages_quote_what_the_file_holds),
		cmocka_unit_test(test_config_load_says_why_a_file_cannot_be_read),
		cmocka_unit_test(test_config_mutants_are_taken_whole_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
