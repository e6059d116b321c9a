// SPDX-License-Identifier: BSD-2-Clause
/*
 * The cores: threads, loops, memory, and what a core does each turn beside its sockets. Started and
 * stopped by the main thread.
 */
#include "target/core.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/log.h"
#include "target/conn.h"
#include "target/req.h"

struct nvmet nvmet = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.subsystems = LIST_INIT(nvmet.subsystems),
	.ports = LIST_INIT(nvmet.ports),
	.drives = LIST_INIT(nvmet.drives),
	.discovery_genctr = 1,
};

/* ---- the turn ---- */

static int core_poll(struct loop_hook *h)
{
	struct nvmet_core *core = container_of(h, struct nvmet_core, hook);
	int found = mem_pool_run(core->reserve) + mem_pool_run(core->pool);

	while (!list_empty(&core->starved) && !list_empty(&core->free_reqs)) {
		nvmet_conn_resume(list_first(&core->starved, struct nvmet_conn, starved));
		found++;
	}
	return found;
}

static void core_submit(struct loop_hook *h)
{
	struct nvmet_core *core = container_of(h, struct nvmet_core, hook);

	while (!list_empty(&core->dirty))
		nvmet_conn_flush(list_first(&core->dirty, struct nvmet_conn, dirty));
}

/* What was sent last gave buffers and requests back, for which others may wait. */
static int core_sleep(struct loop_hook *h)
{
	struct nvmet_core *core = container_of(h, struct nvmet_core, hook);

	return core_poll(h) + !list_empty(&core->dirty);
}

static void core_tick(struct loop_timer *t)
{
	struct nvmet_core *core = container_of(t, struct nvmet_core, tick);

	nvmet_place_tick(core);
	nvmet_conn_tick(core, loop_now_ns(core->loop));
	if (!list_empty(&core->conns))
		loop_timer_start(t, NVMET_TICK_MS);
}

/* ---- life ---- */

/* With no connection left everything is back: if not, a path of ours lost it. */
static void core_check(struct nvmet_core *core)
{
	size_t out = nvmet.cfg->daemon.memory_bytes - mem_pool_free_bytes(core->pool);
	uint32_t nr = core->nr_reqs;
	struct list *pos;

	out += NVMET_RESERVE_BYTES - NVMET_LOOKAHEAD_BYTES - mem_pool_free_bytes(core->reserve);
	list_for_each(pos, &core->free_reqs)
		nr--;
	if (out || nr)
		log_warn("buffers or requests were lost core=%d bytes=%zu requests=%u", core->index,
			 out, nr);
}

static void core_free(struct nvmet_core *core)
{
	if (!core)
		return;
	if (core->loop)
		core_check(core);
	for (uint32_t i = 0; core->req_chunk && i < core->nr_reqs / NVMET_REQ_CHUNK; i++)
		free(core->req_chunk[i]);
	free(core->req_chunk);
	mem_pool_free(core->pool);
	mem_pool_free(core->reserve);
	loop_timer_done(&core->tick);
	nvmet_place_done(core);
	loop_free(core->loop);
	free(core);
}

static int core_create(int index, int cpu, const struct config_daemon *cfg,
		       struct nvmet_core **corep)
{
	struct nvmet_core *core = calloc(1, sizeof(*core));
	char name[16];
	struct loop_opts opts = { .name = name, .cpu = cpu, .spin_us = cfg->spin_us };
	void *base = mem_arena_carve(&nvmet.arena, cfg->memory_bytes);
	int ret = -ENOMEM;

	if (!core || !base)
		goto fail;
	core->index = index;
	core->reserve_base = mem_arena_carve(&nvmet.arena, NVMET_RESERVE_BYTES);
	if (!core->reserve_base)
		goto fail;
	list_init(&core->conns);
	list_init(&core->dirty);
	list_init(&core->starved);
	list_init(&core->free_reqs);
	core->req_chunk = calloc(NVMET_MAX_REQS / NVMET_REQ_CHUNK + 1, sizeof(*core->req_chunk));
	if (!core->req_chunk)
		goto fail;
	ret = mem_pool_create(base, cfg->memory_bytes, &core->pool);
	if (!ret)
		ret = mem_pool_create(core->reserve_base, NVMET_RESERVE_BYTES, &core->reserve);
	if (ret)
		goto fail;
	core->lookahead = mem_get(core->reserve, NVMET_LOOKAHEAD_BYTES);
	snprintf(name, sizeof(name), "core%d", index);
	ret = loop_create(&opts, &core->loop);
	if (!ret)
		ret = loop_timer_init(core->loop, &core->tick, core_tick);
	if (!ret)
		ret = nvmet_place_init(core);
	if (ret)
		goto fail;
	core->hook.poll = core_poll;
	core->hook.submit = core_submit;
	core->hook.sleep = core_sleep;
	*corep = core;
	return 0;
fail:
	core_free(core);
	return ret;
}

static void core_enter(void *arg)
{
	struct nvmet_core *core = arg;

	loop_hook_add(core->loop, &core->hook);
}

static void core_leave(void *arg)
{
	struct nvmet_core *core = arg;

	loop_timer_done(&core->tick);
	nvmet_place_done(core);
	loop_hook_del(&core->hook);
}

/* The CPUs to run on: as configured, else those that the process may use. */
static int pick_cpus(const struct config_daemon *cfg, int *cpu)
{
	cpu_set_t set;
	int nr = 0, want = cfg->nr_cores ? (int)cfg->nr_cores : MAX_CORES;

	if (cfg->has_cpus) {
		for (; nr < want && nr < MAX_CORES; nr++)
			cpu[nr] = cfg->cpu[nr];
		return nr;
	}
	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (int i = 0; i < CPU_SETSIZE && nr < want && nr < MAX_CORES; i++)
		if (CPU_ISSET(i, &set))
			cpu[nr++] = i;
	/* More cores asked for than CPUs: the rest runs unpinned. */
	while (cfg->nr_cores && nr < want && nr < MAX_CORES)
		cpu[nr++] = -1;
	return nr;
}

int nvmet_cores_start(const struct config *cfg)
{
	enum mem_huge huge = cfg->daemon.hugepages == CONFIG_HUGEPAGES_ON    ? MEM_HUGE_ON
			     : cfg->daemon.hugepages == CONFIG_HUGEPAGES_OFF ? MEM_HUGE_OFF
									     : MEM_HUGE_AUTO;
	int cpu[MAX_CORES], nr, ret;

	nvmet.cfg = cfg;
	nr = pick_cpus(&cfg->daemon, cpu);
	if (nr < 0) {
		log_err("cannot tell which CPUs there are: %s; set nvmetcpd.cores", strerror(-nr));
		return nr;
	}
	ret = mem_arena_init(&nvmet.arena,
			     (cfg->daemon.memory_bytes + NVMET_RESERVE_BYTES) * (size_t)nr, huge);
	if (ret)
		return ret;
	nvmet.cores = calloc((size_t)nr, sizeof(*nvmet.cores));
	if (!nvmet.cores)
		return -ENOMEM;
	for (int i = 0; i < nr; i++) {
		ret = core_create(i, cpu[i], &cfg->daemon, &nvmet.cores[i]);
		if (!ret) {
			nvmet.nr_cores++;
			ret = loop_start(nvmet.cores[i]->loop);
		}
		if (ret) {
			log_err("cannot start core %d: %s", i, strerror(-ret));
			return ret;
		}
		loop_call(nvmet.cores[i]->loop, core_enter, nvmet.cores[i]);
	}
	return 0;
}

void nvmet_cores_stop(void)
{
	for (int i = 0; i < nvmet.nr_cores; i++) {
		loop_call(nvmet.cores[i]->loop, core_leave, nvmet.cores[i]);
		loop_stop(nvmet.cores[i]->loop);
	}
	for (int i = 0; i < nvmet.nr_cores; i++) {
		loop_join(nvmet.cores[i]->loop);
		core_free(nvmet.cores[i]);
	}
	free(nvmet.cores);
	nvmet.cores = NULL;
	nvmet.nr_cores = 0;
	mem_arena_done(&nvmet.arena);
}
