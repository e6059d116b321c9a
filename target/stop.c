// SPDX-License-Identifier: BSD-2-Clause
/*
 * The daemon's end, a small state machine on the main loop: it looks every 10 ms how far
 * connections and drives are, and waits for none of their threads. Main thread. Entry points:
 * nvmet_stop_begin(), nvmet_stop_result().
 */
#include "target/stop.h"

#include "common/clock.h"
#include "common/log.h"
#include "target/conn.h"
#include "target/drive.h"
#include "target/rpc.h"
#include "target/sd.h"
#include "target/subsys.h"

enum {
	LOOK_MS = 10,
	SAY_MS = 10000, /* again what it waits for */
};

enum stop_stage {
	STOP_NOT,
	STOP_COMMANDS, /* until no connection is left */
	STOP_DRIVES,   /* until all are closed */
};

uint32_t nvmet_stop_drain_ms = 5000;
uint32_t nvmet_stop_ms = 90000;

static struct {
	struct loop_timer timer;
	uint8_t stage;	/* enum stop_stage */
	uint8_t result; /* enum nvmet_stop */
	bool forced;
	uint64_t began_ms;
	uint64_t say_ms; /* not before so much has passed */
} stop;

/* ---- what it waits for ---- */

static uint32_t nr_conns(void)
{
	uint32_t nr = 0;

	nvmet_lock(); /* a queue that changes its core counts on one */
	for (int i = 0; i < nvmet.nr_cores; i++)
		nr += atomic_load(&nvmet.cores[i]->nr_conns);
	nvmet_unlock();
	return nr;
}

static void say_drive(enum log_level level, struct nvmet_drive *drive, uint64_t waited_ms)
{
	uint64_t nr = nvmet_drive_under_way(drive, NVME_NSID_BROADCAST);
	const char *why = nvmet_drive_waits_for(drive);
	const char *word = nvmet_drive_word(drive);

	if (!why && !nr)
		return;
	if (!why)
		why = "its answers to commands";
	log_at(level,
	       "stopping waits for a %s %s=%s waits_for=\"%s\" commands=%llu waited_s=%u of_s=%u",
	       word, word, drive->name, why, (unsigned long long)nr, (uint32_t)(waited_ms / 1000),
	       nvmet_stop_ms / 1000);
	nvmet_sd_status("stopping, waiting for %s %s: %s", word, drive->name, why);
}

static void say(enum log_level level, uint64_t waited_ms)
{
	uint32_t conns = nr_conns();
	struct list *pos;

	if (conns || nvmet_rpc_drive_busy())
		log_at(level,
		       "stopping waits for commands to be answered connections=%u waited_s=%u of_s=%u",
		       conns, (uint32_t)(waited_ms / 1000), nvmet_stop_ms / 1000);
	list_for_each(pos, &nvmet.drives)
		say_drive(level, list_entry(pos, struct nvmet_drive, link), waited_ms);
}

/* ---- the states ---- */

static void drain_core(void *arg)
{
	nvmet_conn_drain_core(arg);
}

static void close_core(void *arg)
{
	nvmet_conn_close_core(arg);
}

/* Return: none is left. Queues of drives are given back with nothing on them. */
static bool end_commands(bool force)
{
	if (force)
		nvmet_drives_shutdown();
	for (int i = 0; i < nvmet.nr_cores; i++)
		loop_call(nvmet.cores[i]->loop, force ? close_core : drain_core, nvmet.cores[i]);
	return !nr_conns() && !nvmet_rpc_drive_busy();
}

static void end(enum nvmet_stop result)
{
	stop.result = (uint8_t)result;
	loop_stop(nvmet.main_loop);
}

static void look(struct loop_timer *t)
{
	uint64_t ms = clock_now_ms() - stop.began_ms;

	if (stop.stage == STOP_COMMANDS && end_commands(stop.forced || ms >= nvmet_stop_drain_ms)) {
		stop.stage = STOP_DRIVES;
		nvmet_drives_close();
	}
	if (stop.stage == STOP_DRIVES && nvmet_drives_closed()) {
		end(NVMET_STOPPED);
		return;
	}
	if (ms >= nvmet_stop_ms) {
		say(LOG_LVL_ERROR, ms);
		log_err("giving up; where the kernel keeps a drive's thread, the process ends when it is let go (its log may say why: dmesg)");
		end(NVMET_GAVE_UP);
		return;
	}
	if (ms >= stop.say_ms) {
		say(LOG_LVL_NOTICE, ms);
		stop.say_ms = ms + SAY_MS;
	}
	loop_timer_start(t, LOOK_MS);
}

void nvmet_stop_begin(void)
{
	if (stop.stage != STOP_NOT) {
		stop.forced = true;
		return;
	}
	stop.stage = STOP_COMMANDS;
	stop.began_ms = clock_now_ms();
	stop.say_ms = nvmet_stop_drain_ms + 1;
	look(&stop.timer);
}

enum nvmet_stop nvmet_stop_result(void)
{
	return (enum nvmet_stop)stop.result;
}

int nvmet_stop_init(void)
{
	memset(&stop, 0, sizeof(stop));
	return loop_timer_init(nvmet.main_loop, &stop.timer, look);
}

void nvmet_stop_done(void)
{
	loop_timer_done(&stop.timer);
}
