// SPDX-License-Identifier: BSD-2-Clause
/*
 * The top-level object "nvmetcpd": settings of the daemon itself.
 *
 * Context: any one thread. Entry point: config_read_daemon().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "config/read.h"

static const struct config_choice hugepages_choices[] = {
	{ "auto", CONFIG_HUGEPAGES_AUTO },
	{ "on", CONFIG_HUGEPAGES_ON },
	{ "off", CONFIG_HUGEPAGES_OFF },
	{ NULL, 0 },
};

static const struct config_choice log_choices[] = {
	{ "error", LOG_LVL_ERROR }, { "warn", LOG_LVL_WARN },	{ "notice", LOG_LVL_NOTICE },
	{ "info", LOG_LVL_INFO },   { "debug", LOG_LVL_DEBUG }, { NULL, 0 },
};

struct cpu_set {
	bool on[CONFIG_MAX_CPU + 1];
};

static int take_cpu(const char **s, uint32_t *cpu)
{
	uint32_t n = 0;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint32_t)(*p - '0');
		if (n > CONFIG_MAX_CPU)
			return -ERANGE;
	}
	if (p == *s)
		return -EINVAL;
	*cpu = n;
	*s = p;
	return 0;
}

/* "0-3,8" as taskset and the kernel write it */
static int take_ranges(const char *s, struct cpu_set *set)
{
	uint32_t from, to;
	int ret;

	for (;;) {
		ret = take_cpu(&s, &from);
		if (ret)
			return ret;
		to = from;
		if (*s == '-') {
			s++;
			ret = take_cpu(&s, &to);
			if (ret)
				return ret;
			if (to < from)
				return -EINVAL;
		}
		for (; from <= to; from++)
			set->on[from] = true;
		if (!*s)
			return 0;
		if (*s++ != ',')
			return -EINVAL;
	}
}

static void take_listed_cpu(struct config_reader *rd, struct json_object *val, uint32_t index,
			    void *ctx)
{
	struct cpu_set *set = ctx;
	bool negative;
	uint64_t cpu;

	(void)index;
	if (!json_object_is_type(val, json_type_int) || !config_number(val, &negative, &cpu) ||
	    negative || cpu > CONFIG_MAX_CPU)
		config_read_expected(rd, val, "a CPU number from 0 to %u", CONFIG_MAX_CPU);
	else if (set->on[cpu])
		config_read_error(rd, "CPU %u is listed twice", (unsigned int)cpu);
	else
		set->on[cpu] = true;
}

static void use_cpus(struct config_reader *rd, const struct cpu_set *set,
		     struct config_daemon *daemon)
{
	uint32_t nr = 0, cpu;

	for (cpu = 0; cpu <= CONFIG_MAX_CPU; cpu++)
		nr += set->on[cpu];
	if (nr < 1 || nr > MAX_CORES) {
		config_read_error(rd, "expected 1 to %d CPUs, got %u", MAX_CORES, nr);
		return;
	}
	daemon->nr_cores = 0;
	for (cpu = 0; cpu <= CONFIG_MAX_CPU; cpu++)
		if (set->on[cpu])
			daemon->cpu[daemon->nr_cores++] = (uint16_t)cpu;
	daemon->has_cpus = true;
}

/*
 * A number of cores, or the CPUs themselves as a list or as text. A lone number in a string could
 * be meant as either, and is refused.
 */
static void read_cores(struct config_reader *rd, struct json_object *val,
		       const struct config_field *field, void *obj)
{
	struct config_daemon *daemon = obj;
	uint32_t before = rd->errs->nr_errors;
	struct cpu_set set = { 0 };
	char text[256];
	size_t len;

	if (json_object_is_type(val, json_type_int)) {
		config_read_uint(rd, val, field, obj);
		return;
	}
	if (json_object_is_type(val, json_type_array)) {
		config_read_list(rd, val, CONFIG_MAX_CPU + 1, take_listed_cpu, &set);
	} else if (!json_object_is_type(val, json_type_string) ||
		   !config_text(val, text, sizeof(text), &len) || !strpbrk(text, "-,") ||
		   take_ranges(text, &set)) {
		config_read_expected(rd, val,
				     "a number of cores like 4, or CPUs like [0, 2] or \"0-3,8\"");
		return;
	}
	if (before == rd->errs->nr_errors)
		use_cpus(rd, &set, daemon);
}

/* What a socket's address has room for, with ".lock" behind it. */
static void read_socket(struct config_reader *rd, struct json_object *val,
			const struct config_field *field, void *obj)
{
	uint32_t before = rd->errs->nr_errors;
	struct config_daemon *daemon = obj;

	config_read_path(rd, val, field, obj);
	if (before == rd->errs->nr_errors && daemon->rpc_socket &&
	    strlen(daemon->rpc_socket) > CONFIG_MAX_SOCKET)
		config_read_expected(rd, val, "a path of at most %d bytes", CONFIG_MAX_SOCKET);
}

#define FIELD(name, reader, member, ...) \
	CONFIG_FIELD(name, reader, struct config_daemon, member, __VA_ARGS__)

const struct config_field config_daemon_fields[] = {
	FIELD("cores", read_cores, nr_cores, .min = 1, .max = MAX_CORES),
	FIELD("memory", config_read_size, memory_bytes, .min = CONFIG_MIN_MEMORY,
	      .max = CONFIG_MAX_MEMORY, .multiple = 2u << 20),
	FIELD("hugepages", config_read_choice, hugepages, .choices = hugepages_choices),
	FIELD("log_level", config_read_choice, log_level, .choices = log_choices),
	FIELD("spin_us", config_read_uint, spin_us, .min = 0, .max = CONFIG_MAX_SPIN_US),
	FIELD("balance", config_read_bool, balance),
	FIELD("state_dir", config_read_path, state_dir),
	FIELD("rpc_socket", read_socket, rpc_socket),
	FIELD("max_io_size", config_read_size, max_io_bytes, .min = CONFIG_MIN_IO_SIZE,
	      .max = MAX_XFER_BYTES, .pow2 = true),
	FIELD("in_capsule_data_size", config_read_uint, in_capsule_bytes, .min = 0,
	      .max = MAX_ICD_BYTES, .multiple = 16),
	FIELD("io_queue_depth", config_read_uint, io_queue_depth, .min = 2,
	      .max = MAX_QUEUE_ENTRIES),
	FIELD("max_io_queues", config_read_uint, max_io_queues, .min = 1, .max = MAX_IO_QUEUES),
	FIELD("drive_cmb", config_read_bool, drive_cmb),
	FIELD("drive_hmb", config_read_size, drive_hmb_bytes, .min = 0, .max = CONFIG_MAX_HMB,
	      .multiple = 1u << 20),
	FIELD("drive_timeout", config_read_uint, drive_timeout_s, .min = 1,
	      .max = CONFIG_MAX_TIMEOUT_S),
	{ .name = NULL },
};

void config_read_daemon(struct config_reader *rd, struct json_object *val,
			const struct config_field *field, void *obj)
{
	struct config *cfg = obj;

	(void)field;
	config_read_fields(rd, val, config_daemon_fields, &cfg->daemon);
}
