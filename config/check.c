// SPDX-License-Identifier: BSD-2-Clause
/*
 * What concerns several objects of a configuration: names, addresses and devices that are given
 * twice, references.
 *
 * Context: any one thread. Entry point: config_check(). Messages name both places. Objects that
 * were found wrong before take part as far as they were understood, and what could be a mere
 * consequence is not reported.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "config/read.h"

/* A key of an object, and where the object is: subsystem (or other list) @a, namespace @b of it. */
struct ref {
	const void *key;
	size_t len;
	uint32_t extra; /* part of the key */
	uint32_t a, b;
	uint32_t place; /* of the object in the array of structs */
};

struct refs {
	struct ref *ref;
	size_t nr;
};

static int cmp_key(const struct ref *x, const struct ref *y)
{
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	if (x->extra != y->extra)
		return x->extra < y->extra ? -1 : 1;
	return x->len ? memcmp(x->key, y->key, x->len) : 0;
}

/* Of equal keys the one that the file has first comes first. */
static int cmp_ref(const void *xp, const void *yp)
{
	const struct ref *x = xp, *y = yp;
	int ret = cmp_key(x, y);

	if (ret)
		return ret;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

/* "subsystems[a]", "subsystems[a].namespaces[b]" and so on; the member follows. */
struct kind {
	const char *list, *sublist, *member;
	const char *what;
};

static void place_of(const struct kind *kind, const struct ref *ref, struct config_path *path)
{
	memset(path, 0, sizeof(*path));
	config_path_member(path, kind->list, strlen(kind->list));
	config_path_element(path, ref->a);
	if (kind->sublist) {
		config_path_member(path, kind->sublist, strlen(kind->sublist));
		config_path_element(path, ref->b);
	}
}

/* Sorts, and reports each key that is there again. */
static void report_twice(struct config_reader *rd, const struct refs *refs, const struct kind *kind)
{
	size_t first = 0, i;

	qsort(refs->ref, refs->nr, sizeof(*refs->ref), cmp_ref);
	for (i = 1; i < refs->nr; i++) {
		struct config_path here, there;

		if (cmp_key(&refs->ref[first], &refs->ref[i]) != 0) {
			first = i;
			continue;
		}
		place_of(kind, &refs->ref[first], &there);
		place_of(kind, &refs->ref[i], &here);
		if (kind->member) {
			const char *p = kind->member, *dot;

			for (; (dot = strchr(p, '.')); p = dot + 1)
				config_path_member(&here, p, (size_t)(dot - p));
			config_path_member(&here, p, strlen(p));
		}
		config_error(rd->errs, here.s, 0, "%s is already that of %s", kind->what, there.s);
	}
}

static bool room(struct config_reader *rd, struct refs *refs, size_t nr)
{
	refs->ref = config_alloc(rd, nr, sizeof(*refs->ref));
	refs->nr = 0;
	return refs->ref;
}

static void add_ref(struct refs *refs, const void *key, size_t len, uint32_t extra, uint32_t a,
		    uint32_t b)
{
	refs->ref[refs->nr++] =
		(struct ref){ .key = key, .len = len, .extra = extra, .a = a, .b = b };
}

static void check_hosts(struct config_reader *rd)
{
	static const struct kind kind = { "hosts", NULL, "nqn", "this NQN" };
	const struct config *cfg = rd->cfg;
	struct refs refs;
	uint32_t i;

	if (!room(rd, &refs, cfg->nr_hosts))
		return;
	for (i = 0; i < cfg->nr_hosts; i++)
		if (cfg->hosts[i].nqn[0])
			add_ref(&refs, cfg->hosts[i].nqn, strlen(cfg->hosts[i].nqn), 0,
				cfg->hosts[i].index, 0);
	report_twice(rd, &refs, &kind);
	free(refs.ref);
}

static void check_allowed_hosts(struct config_reader *rd, const struct config_subsystem *subsys)
{
	struct kind kind = { "subsystems", "allowed_hosts", NULL, "this NQN" };
	struct refs refs;
	uint32_t i;

	if (!room(rd, &refs, subsys->nr_allowed_hosts))
		return;
	for (i = 0; i < subsys->nr_allowed_hosts; i++)
		if (subsys->allowed_hosts[i][0])
			add_ref(&refs, subsys->allowed_hosts[i], strlen(subsys->allowed_hosts[i]),
				0, subsys->index, i);
	report_twice(rd, &refs, &kind);
	free(refs.ref);
}

static int cmp_nsid(const void *xp, const void *yp)
{
	const struct config_namespace *x = xp, *y = yp;

	if (x->nsid != y->nsid)
		return x->nsid < y->nsid ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void check_nsids(struct config_reader *rd, struct config_subsystem *subsys)
{
	static const struct kind kind = { "subsystems", "namespaces", "nsid", "this nsid" };
	struct refs refs;
	uint32_t i;

	if (!room(rd, &refs, subsys->nr_namespaces))
		return;
	for (i = 0; i < subsys->nr_namespaces; i++)
		if (subsys->namespaces[i].nsid)
			add_ref(&refs, NULL, 0, subsys->namespaces[i].nsid, subsys->index,
				subsys->namespaces[i].index);
	report_twice(rd, &refs, &kind);
	free(refs.ref);
	if (subsys->nr_namespaces)
		qsort(subsys->namespaces, subsys->nr_namespaces, sizeof(*subsys->namespaces),
		      cmp_nsid);
}

enum ns_key { KEY_UUID, KEY_NGUID, KEY_EUI64, KEY_PATH, KEY_PCI, KEY_REMOTE, NR_NS_KEYS };

static const struct kind ns_kinds[NR_NS_KEYS] = {
	[KEY_UUID] = { "subsystems", "namespaces", "device.uuid", "this UUID" },
	[KEY_NGUID] = { "subsystems", "namespaces", "device.nguid", "this NGUID" },
	[KEY_EUI64] = { "subsystems", "namespaces", "device.eui64", "this EUI-64" },
	[KEY_PATH] = { "subsystems", "namespaces", "device.path", "this file or block device" },
	[KEY_PCI] = { "subsystems", "namespaces", "device.pci", "this namespace of the drive" },
	[KEY_REMOTE] = { "subsystems", "namespaces", "device.remote",
			 "this namespace of the remote subsystem" },
};

/* Devices of namespaces that are not enabled are not opened, so they may be named again. */
static void add_ns_key(struct refs *refs, const struct config_subsystem *subsys,
		       const struct config_namespace *ns, enum ns_key key)
{
	uint32_t a = subsys->index, b = ns->index;

	if (key == KEY_UUID && ns->has_uuid)
		add_ref(refs, ns->uuid, sizeof(ns->uuid), 0, a, b);
	else if (key == KEY_NGUID && ns->has_nguid)
		add_ref(refs, ns->nguid, sizeof(ns->nguid), 0, a, b);
	else if (key == KEY_EUI64 && ns->has_eui64)
		add_ref(refs, ns->eui64, sizeof(ns->eui64), 0, a, b);
	else if (key == KEY_PATH && ns->device == CONFIG_DEVICE_PATH && ns->enable)
		add_ref(refs, ns->path, strlen(ns->path), 0, a, b);
	else if (key == KEY_PCI && ns->device == CONFIG_DEVICE_PCI && ns->enable)
		add_ref(refs, ns->bdf, strlen(ns->bdf), ns->dev_nsid, a, b);
	else if (key == KEY_REMOTE && ns->device == CONFIG_DEVICE_REMOTE && ns->enable)
		add_ref(refs, ns->remote.subnqn, strlen(ns->remote.subnqn), ns->dev_nsid, a, b);
}

static void check_namespaces(struct config_reader *rd)
{
	struct config *cfg = rd->cfg;
	struct refs refs;
	size_t nr = 0;
	uint32_t i, k;
	int key;

	for (i = 0; i < cfg->nr_subsystems; i++) {
		check_nsids(rd, &cfg->subsystems[i]);
		check_allowed_hosts(rd, &cfg->subsystems[i]);
		nr += cfg->subsystems[i].nr_namespaces;
	}
	if (!room(rd, &refs, nr))
		return;
	for (key = 0; key < NR_NS_KEYS; key++) {
		refs.nr = 0;
		for (i = 0; i < cfg->nr_subsystems; i++)
			for (k = 0; k < cfg->subsystems[i].nr_namespaces; k++)
				add_ns_key(&refs, &cfg->subsystems[i],
					   &cfg->subsystems[i].namespaces[k], (enum ns_key)key);
		report_twice(rd, &refs, &ns_kinds[key]);
	}
	free(refs.ref);
}

static bool is_wildcard(const struct config_addr *addr)
{
	return !strcmp(addr->traddr, addr->ipv6 ? "::" : "0.0.0.0");
}

/* Two listeners that the kernel would not let exist together. */
static bool overlap(const struct config_addr *x, const struct config_addr *y)
{
	if (!x->traddr[0] || !y->traddr[0] || x->ipv6 != y->ipv6 || x->trsvcid != y->trsvcid ||
	    !x->trsvcid)
		return false;
	return is_wildcard(x) || is_wildcard(y) || !strcmp(x->traddr, y->traddr);
}

static void check_port(struct config_reader *rd, const struct config_port *port,
		       const struct config_port *other)
{
	struct config_path path = { 0 };
	size_t before;

	config_path_member(&path, "ports", 5);
	config_path_element(&path, port->index);
	if (port->portid == other->portid) {
		before = config_path_member(&path, "portid", 6);
		config_error(rd->errs, path.s, 0, "%u is already the portid of ports[%u]",
			     port->portid, other->index);
		config_path_cut(&path, before);
	}
	if (overlap(&port->addr, &other->addr)) {
		config_path_member(&path, "addr", 4);
		config_error(rd->errs, path.s, 0, "%s port %u is already served by ports[%u] (%s)",
			     port->addr.traddr, port->addr.trsvcid, other->index,
			     other->addr.traddr);
	}
}

static void check_ports(struct config_reader *rd)
{
	const struct config *cfg = rd->cfg;
	uint32_t i, k;

	for (i = 0; i < cfg->nr_ports; i++)
		for (k = 0; k < i; k++)
			check_port(rd, &cfg->ports[i], &cfg->ports[k]);
}

/* The places of the subsystems by NQN, also for finding references. */
static bool index_subsystems(struct config_reader *rd, struct refs *refs)
{
	static const struct kind kind = { "subsystems", NULL, "nqn", "this NQN" };
	const struct config *cfg = rd->cfg;
	uint32_t i;

	if (!room(rd, refs, cfg->nr_subsystems))
		return false;
	for (i = 0; i < cfg->nr_subsystems; i++) {
		if (!cfg->subsystems[i].nqn[0])
			continue;
		add_ref(refs, cfg->subsystems[i].nqn, strlen(cfg->subsystems[i].nqn), 0,
			cfg->subsystems[i].index, 0);
		refs->ref[refs->nr - 1].place = i;
	}
	report_twice(rd, refs, &kind);
	return true;
}

static int cmp_search(const void *xp, const void *yp)
{
	return cmp_key(xp, yp);
}

/* @nqn is element @at of the port's list. */
static void resolve(struct config_reader *rd, const struct refs *subsystems,
		    struct config_port *port, const char *nqn, uint32_t at, bool *served)
{
	struct ref wanted = { .key = nqn, .len = strlen(nqn) };
	const struct ref *found =
		bsearch(&wanted, subsystems->ref, subsystems->nr, sizeof(wanted), cmp_search);
	char path[64], quoted[128];
	uint32_t i;

	if (!nqn[0])
		return;
	snprintf(path, sizeof(path), "ports[%u].subsystems[%u]", port->index, at);
	if (!found) {
		if (!rd->lost_subsystem)
			config_error(rd->errs, path, 0, "there is no subsystem %s",
				     config_quote(quoted, sizeof(quoted), nqn, strlen(nqn)));
		return;
	}
	for (i = 0; i < port->nr_subsystems; i++) {
		if (port->subsystems[i] == found->place) {
			config_error(rd->errs, path, 0, "%s is listed twice",
				     config_quote(quoted, sizeof(quoted), nqn, strlen(nqn)));
			return;
		}
	}
	port->subsystems[port->nr_subsystems++] = found->place;
	served[found->place] = true;
}

static void resolve_ports(struct config_reader *rd, const struct refs *subsystems, bool *served)
{
	struct config *cfg = rd->cfg;
	uint32_t i, k, nr;

	for (i = 0; i < cfg->nr_ports; i++) {
		struct config_port *port = &cfg->ports[i];
		char **names = rd->port_subsystems[i];

		for (nr = 0; names && names[nr]; nr++)
			;
		port->subsystems = config_alloc(rd, nr, sizeof(*port->subsystems));
		for (k = 0; k < nr && port->subsystems; k++)
			resolve(rd, subsystems, port, names[k], k, served);
	}
}

static void warn_unserved(struct config_reader *rd, const bool *served)
{
	const struct config *cfg = rd->cfg;
	char path[64];
	uint32_t i;

	if (!cfg->nr_ports) {
		config_warn(rd->errs, NULL, 0, "there is no port for TCP: nothing is served");
		return;
	}
	for (i = 0; i < cfg->nr_subsystems; i++) {
		if (served[i])
			continue;
		snprintf(path, sizeof(path), "subsystems[%u]", cfg->subsystems[i].index);
		config_warn(rd->errs, path, 0, "not served: no port lists it");
	}
}

void config_check(struct config_reader *rd)
{
	bool *served = config_alloc(rd, rd->cfg->nr_subsystems, sizeof(*served));
	struct refs subsystems = { 0 };

	if (!rd->nomem)
		check_hosts(rd);
	if (!rd->nomem)
		check_namespaces(rd);
	if (!rd->nomem)
		check_ports(rd);
	if (!rd->nomem && index_subsystems(rd, &subsystems)) {
		resolve_ports(rd, &subsystems, served);
		config_check_remotes(rd);
		if (!rd->errs->nr_errors)
			warn_unserved(rd, served);
	}
	free(subsystems.ref);
	free(served);
}
