// SPDX-License-Identifier: BSD-2-Clause
/*
 * The namespaces of a multipath controller: what its paths have, checked against each other. An
 * entry is made for each NSID ever seen and says for each slot how that path reaches the namespace,
 * which is all that the queues' owners need. The controller's thread, but for
 * nvmh_mpath_ns_find(), nvmh_mpath_ns_somewhere() and nvmh_mpath_ana_state(). Entry point:
 * nvmh_mpath_ns_update().
 * NVM Express Base Specification 2.x, "Namespace", "Multi-Path I/O and Namespace Sharing".
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "host/mpath.h"

static uint32_t hash_of(uint32_t nsid)
{
	return nsid * 2654435761u >> 21; /* MPATH_NS_HASH places */
}

static_assert(MPATH_NS_HASH == 1 << (32 - 21), "the hash has as many bits as there are places");

struct mpath_ns *nvmh_mpath_ns_find(struct mpath *mp, uint32_t nsid)
{
	uint32_t at = hash_of(nsid);
	struct mpath_ns *entry;
	uint32_t i;

	for (i = 0; i < MPATH_NS_HASH; i++) {
		entry = atomic_load_explicit(&mp->ns[(at + i) % MPATH_NS_HASH],
					     memory_order_acquire);
		if (!entry || entry->nsid == nsid)
			return entry;
	}
	return NULL;
}

bool nvmh_mpath_ns_somewhere(const struct mpath *mp, const struct mpath_ns *ns)
{
	uint8_t nr = atomic_load_explicit(&mp->nr_slots, memory_order_relaxed);
	uint8_t i;

	for (i = 0; ns && i < nr; i++) {
		if (atomic_load_explicit(&ns->state[i], memory_order_relaxed))
			return true;
	}
	return false;
}

/* Return: NULL, no memory, or too many different NSIDs so far. */
static struct mpath_ns *make_entry(struct mpath *mp, uint32_t nsid)
{
	uint32_t at = hash_of(nsid);
	struct mpath_ns *entry = nvmh_mpath_ns_find(mp, nsid);

	if (entry)
		return entry;
	if (mp->nr_entries == MPATH_NS_HASH / 2)
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->nsid = nsid;
	entry->ns = calloc(1, sizeof(*entry->ns));
	if (!entry->ns) {
		free(entry);
		return NULL;
	}
	while (atomic_load_explicit(&mp->ns[at % MPATH_NS_HASH], memory_order_relaxed))
		at++;
	atomic_store_explicit(&mp->ns[at % MPATH_NS_HASH], entry, memory_order_release);
	mp->nr_entries++;
	return entry;
}

void nvmh_mpath_ns_free(struct mpath *mp)
{
	struct mpath_ns *entry;
	uint32_t i;

	for (i = 0; i < MPATH_NS_HASH; i++) {
		entry = atomic_load(&mp->ns[i]);
		if (!entry)
			continue;
		free(entry->ns);
		free(entry);
	}
}

static void set_state(struct mpath_ns *entry, uint8_t slot, uint8_t state)
{
	atomic_store_explicit(&entry->state[slot], state, memory_order_release);
}

/* ---- what paths say about the same namespace ---- */

/* Whether another path than that of @slot has it, or had it and may come back. */
static bool backed(const struct mpath_ns *entry, uint8_t slot)
{
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		if (i != slot && atomic_load(&entry->state[i]))
			return true;
	}
	return false;
}

/* Return: NULL, or why @ns cannot be the namespace that other paths have. */
static const char *differs(const struct nvmh_ns *ns, const struct nvmh_ns *other)
{
	if (memcmp(ns->uuid, other->uuid, sizeof(ns->uuid)) ||
	    memcmp(ns->nguid, other->nguid, sizeof(ns->nguid)) ||
	    memcmp(ns->eui64, other->eui64, sizeof(ns->eui64)))
		return "other paths have one with another identity (UUID, NGUID, EUI-64)";
	if (ns->csi != other->csi)
		return "other paths have one with another command set";
	if (!(ns->id.nmic & NVME_NS_NMIC_SHARED) || !(other->id.nmic & NVME_NS_NMIC_SHARED))
		return "other paths have one too, and it is not shared (NMIC)";
	if (ns->lba_size != other->lba_size || ns->ms != other->ms || ns->ext_lba != other->ext_lba)
		return "other paths have it with another format";
	return NULL;
}

static void leave_out(const struct mpath_path *path, struct mpath_ns *entry, const char *why)
{
	/* once, not with every look at it */
	if (atomic_load(&entry->state[path->slot]) || !entry->refused[path->slot])
		log_warn("namespace left out on a path name=\"%s\" nsid=%u reason=\"%s\"",
			 path->ctrl->name, entry->nsid, why);
	entry->refused[path->slot] = true;
	set_state(entry, path->slot, 0);
}

static void take(struct mpath_path *path, const struct nvmh_ns *ns)
{
	struct mpath_ns *entry = make_entry(path->mp, ns->nsid);
	const char *why = NULL;

	if (!entry) {
		log_peer(LOG_LVL_WARN, "namespace left out, there are too many name=\"%s\" nsid=%u",
			 path->ctrl->name, ns->nsid);
		return;
	}
	if (backed(entry, path->slot))
		why = differs(ns, entry->ns);
	else
		*entry->ns = *ns;
	if (why) {
		leave_out(path, entry, why);
		return;
	}
	entry->refused[path->slot] = false;
	/* one path after the other tells of a change: what is news counts */
	if (entry->seen[path->slot] ? entry->seen[path->slot] != ns : entry->ns->nsze != ns->nsze)
		*entry->ns = *ns;
	entry->seen[path->slot] = ns;
	set_state(entry, path->slot, nvmh_mpath_ana_of(path, ns->nsid));
	path->nr_ns++;
}

/* What a path that is live does not list any more, and all that one had which does not come back. */
static void drop_missing(struct mpath *mp, struct mpath_ns *entry)
{
	const struct mpath_path *path;
	uint8_t i;

	for (i = 0; i < NVMH_MAX_PATHS; i++) {
		path = mp->slot[i].own;
		if (!path || mpath_path_is(path, MPATH_DEAD) || mpath_path_is(path, MPATH_LEAVE) ||
		    mpath_path_is(path, MPATH_FORGET) ||
		    (nvmh_mpath_path_ready(path) &&
		     !nvmh_ctrl_ns_by_nsid(path->ctrl, entry->nsid))) {
			set_state(entry, i, 0);
			entry->seen[i] = NULL;
		}
	}
}

/* ---- what the controller has ---- */

static int compare_nsid(const void *a, const void *b)
{
	const struct nvmh_ns *x = a;
	const struct nvmh_ns *y = b;

	return x->nsid < y->nsid ? -1 : x->nsid > y->nsid;
}

static int tell(struct mpath *mp)
{
	struct nvmh_scan *scan = &mp->ctrl->scan;
	struct mpath_ns *entry;
	uint32_t i;

	nvmh_scan_done(scan);
	scan->ns = calloc(mp->nr_entries + 1u, sizeof(*scan->ns));
	if (!scan->ns)
		return -ENOMEM;
	for (i = 0; i < MPATH_NS_HASH && scan->nr_ns < MAX_DRIVE_NS; i++) {
		entry = atomic_load(&mp->ns[i]);
		if (entry && backed(entry, MPATH_NO_SLOT))
			scan->ns[scan->nr_ns++] = *entry->ns;
	}
	qsort(scan->ns, scan->nr_ns, sizeof(*scan->ns), compare_nsid);
	return nvmh_ns_publish(mp->ctrl);
}

void nvmh_mpath_ns_update(struct mpath *mp)
{
	struct mpath_path *path;
	struct mpath_ns *entry;
	uint32_t i, j;

	for (i = 0; i < MPATH_NS_HASH; i++) {
		entry = atomic_load(&mp->ns[i]);
		if (entry)
			drop_missing(mp, entry);
	}
	/* twice: when the last path tells of another identity, those refused before fit again */
	for (i = 0; i < 2 * NVMH_MAX_PATHS; i++) {
		path = mp->slot[i % NVMH_MAX_PATHS].own;
		if (!path || !nvmh_mpath_path_ready(path))
			continue;
		path->nr_ns = 0;
		for (j = 0; j < path->ctrl->nr_ns; j++)
			take(path, path->ctrl->ns[j]);
	}
	if (tell(mp)) {
		log_warn("namespaces not updated, out of memory name=\"%s\"", mp->ctrl->name);
		mp->ns_dirty = true;
	}
}

int nvmh_mpath_ana_state(const struct nvmh_ctrl *ctrl, uint16_t index, uint32_t nsid)
{
	struct mpath_ns *entry;

	if (ctrl->ops != &nvmh_mpath_ops)
		return nvmh_error(-EINVAL, "%s: not opened by nvmh_mpath_open()", ctrl->name);
	entry = index < NVMH_MAX_PATHS ? nvmh_mpath_ns_find(mpath_of(ctrl), nsid) : NULL;
	return entry ? atomic_load(&entry->state[index]) : 0;
}
