/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of config/ share: parsing a text, comparing two configurations, reading a file.
 */
#ifndef TESTS_UNIT_CONFIG_CONFIG_TEST_H
#define TESTS_UNIT_CONFIG_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

static struct config_errors errs;

static inline int parse(const char *text, struct config **cfgp)
{
	memset(&errs, 0, sizeof(errs));
	return config_parse(text, strlen(text), cfgp, &errs);
}

/* For a text that must be right: says what is not. */
static inline struct config *parse_good(const char *text)
{
	struct config *cfg = NULL;

	if (parse(text, &cfg)) {
		config_errors_print(&errs, stdout, "text");
		fail_msg("refused: %s", text);
	}
	return cfg;
}

/* One namespace with this device, parsed. */
static inline struct config *with_device(const char *device)
{
	char text[1024];

	snprintf(
		text, sizeof(text),
		"{\"subsystems\":[{\"nqn\":\"nqn.2026-01.org.example:disk\",\"namespaces\":[{\"nsid\":1,\"device\":{%s}}]}]}",
		device);
	return parse_good(text);
}

/* The whole file with a NUL; the caller frees it. */
static inline char *read_file(const char *path, size_t *lenp)
{
	FILE *file = fopen(path, "r");
	char *text;
	long len;

	if (!file)
		fail_msg("cannot open %s; tests run from the top of the tree", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	assert_true(len >= 0);
	rewind(file);
	text = malloc((size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)len, file), len);
	text[len] = '\0';
	fclose(file);
	if (lenp)
		*lenp = (size_t)len;
	return text;
}

static inline bool same_text(const char *x, const char *y)
{
	return (!x && !y) || (x && y && !strcmp(x, y));
}

static inline bool same_daemon(const struct config_daemon *x, const struct config_daemon *y)
{
	return x->nr_cores == y->nr_cores && x->has_cpus == y->has_cpus &&
	       !memcmp(x->cpu, y->cpu, sizeof(x->cpu)) && x->memory_bytes == y->memory_bytes &&
	       x->hugepages == y->hugepages && x->log_level == y->log_level &&
	       x->spin_us == y->spin_us && x->balance == y->balance &&
	       same_text(x->state_dir, y->state_dir) && same_text(x->rpc_socket, y->rpc_socket) &&
	       x->max_io_bytes == y->max_io_bytes && x->in_capsule_bytes == y->in_capsule_bytes &&
	       x->io_queue_depth == y->io_queue_depth && x->max_io_queues == y->max_io_queues &&
	       x->drive_cmb == y->drive_cmb && x->drive_hmb_bytes == y->drive_hmb_bytes &&
	       x->drive_timeout_s == y->drive_timeout_s;
}

static inline bool same_remote(const struct config_remote *x, const struct config_remote *y)
{
	uint32_t i;

	if (x->nr_paths != y->nr_paths || !same_text(x->subnqn, y->subnqn))
		return false;
	for (i = 0; i < x->nr_paths; i++)
		if (!same_text(x->path[i], y->path[i]))
			return false;
	return true;
}

static inline bool same_namespace(const struct config_namespace *x,
				  const struct config_namespace *y)
{
	return x->nsid == y->nsid && x->enable == y->enable && x->read_only == y->read_only &&
	       x->resv_enable == y->resv_enable && x->ana_grpid == y->ana_grpid &&
	       x->has_uuid == y->has_uuid && x->has_nguid == y->has_nguid &&
	       x->has_eui64 == y->has_eui64 && !memcmp(x->uuid, y->uuid, sizeof(x->uuid)) &&
	       !memcmp(x->nguid, y->nguid, sizeof(x->nguid)) &&
	       !memcmp(x->eui64, y->eui64, sizeof(x->eui64)) && x->device == y->device &&
	       x->block_size == y->block_size && x->size_bytes == y->size_bytes &&
	       !strcmp(x->bdf, y->bdf) && x->dev_nsid == y->dev_nsid &&
	       same_text(x->path, y->path) && same_remote(&x->remote, &y->remote);
}

static inline bool same_subsystem(const struct config_subsystem *x,
				  const struct config_subsystem *y)
{
	uint32_t i;

	if (strcmp(x->nqn, y->nqn) || x->allow_any_host != y->allow_any_host ||
	    strcmp(x->serial, y->serial) || strcmp(x->model, y->model) ||
	    strcmp(x->firmware, y->firmware) || x->ieee_oui != y->ieee_oui ||
	    x->vendor_id != y->vendor_id || x->subsys_vendor_id != y->subsys_vendor_id ||
	    x->cntlid_min != y->cntlid_min || x->cntlid_max != y->cntlid_max ||
	    x->qid_max != y->qid_max || x->pi_enable != y->pi_enable ||
	    x->nr_allowed_hosts != y->nr_allowed_hosts || x->nr_namespaces != y->nr_namespaces)
		return false;
	for (i = 0; i < x->nr_allowed_hosts; i++)
		if (strcmp(x->allowed_hosts[i], y->allowed_hosts[i]) != 0)
			return false;
	for (i = 0; i < x->nr_namespaces; i++)
		if (!same_namespace(&x->namespaces[i], &y->namespaces[i]))
			return false;
	return true;
}

static inline bool same_addr(const struct config_addr *x, const struct config_addr *y)
{
	return x->ipv6 == y->ipv6 && !strcmp(x->traddr, y->traddr) && x->trsvcid == y->trsvcid &&
	       x->treq == y->treq;
}

static inline bool same_port(const struct config_port *x, const struct config_port *y)
{
	uint32_t i;

	if (x->portid != y->portid || !same_addr(&x->addr, &y->addr) ||
	    x->in_capsule_bytes != y->in_capsule_bytes ||
	    x->max_queue_depth != y->max_queue_depth ||
	    strcmp(x->tcp_congestion, y->tcp_congestion) || x->nr_subsystems != y->nr_subsystems ||
	    x->nr_ana_groups != y->nr_ana_groups || x->nr_referrals != y->nr_referrals)
		return false;
	for (i = 0; i < x->nr_subsystems; i++)
		if (x->subsystems[i] != y->subsystems[i])
			return false;
	for (i = 0; i < x->nr_ana_groups; i++)
		if (x->ana_groups[i].grpid != y->ana_groups[i].grpid ||
		    x->ana_groups[i].state != y->ana_groups[i].state)
			return false;
	for (i = 0; i < x->nr_referrals; i++)
		if (strcmp(x->referrals[i].name, y->referrals[i].name) != 0 ||
		    x->referrals[i].enable != y->referrals[i].enable ||
		    x->referrals[i].portid != y->referrals[i].portid ||
		    !same_addr(&x->referrals[i].addr, &y->referrals[i].addr))
			return false;
	return true;
}

/* All members but .index. */
static inline bool same_config(const struct config *x, const struct config *y)
{
	uint32_t i;

	if (!same_daemon(&x->daemon, &y->daemon) || x->nr_hosts != y->nr_hosts ||
	    x->nr_subsystems != y->nr_subsystems || x->nr_ports != y->nr_ports)
		return false;
	for (i = 0; i < x->nr_hosts; i++)
		if (strcmp(x->hosts[i].nqn, y->hosts[i].nqn) != 0)
			return false;
	for (i = 0; i < x->nr_subsystems; i++)
		if (!same_subsystem(&x->subsystems[i], &y->subsystems[i]))
			return false;
	for (i = 0; i < x->nr_ports; i++)
		if (!same_port(&x->ports[i], &y->ports[i]))
			return false;
	return true;
}

/* Writes it, reads that, and requires the same configuration and the same bytes once more. */
static inline void check_round_trip(const struct config *cfg)
{
	char *text = NULL, *again = NULL;
	struct config *copy;

	assert_int_equal(config_write(cfg, &text), 0);
	copy = parse_good(text);
	if (!same_config(cfg, copy))
		fail_msg("differs after it was written and read: %s", text);
	assert_int_equal(config_write(copy, &again), 0);
	assert_string_equal(text, again);
	config_free(copy);
	free(again);
	free(text);
}

#endif
