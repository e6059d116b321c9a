/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's end: commands that were taken are finished, connections closed, drives shut down and
 * given back, all within a bound. Main thread; runs on the main loop, and ends its run.
 */
#ifndef TARGET_STOP_H
#define TARGET_STOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Since nvmet_stop_begin(). Commands have the first to be answered; after that connections are
 * closed and drives shut down under them. All has the second: a drive's orderly shutdown, for
 * which the driver waits as long as the drive says (RTD3E), a minute at most, and ten seconds
 * before that for answers. systemd/nvmetcpd.service allows for it, and for what comes after
 * (nvmet_rpc_change_ms). Unit tests wait less.
 */
extern uint32_t nvmet_stop_drain_ms;
extern uint32_t nvmet_stop_ms;

/* nvmet_stop_init() - before there are drives. Return: 0 or -ENOMEM. nvmet_stop_done(): harmless
 * without. */
int nvmet_stop_init(void);
void nvmet_stop_done(void);

/* nvmet_stop_begin() - starts it; what takes long is logged again and again, with what it waits
 * for. Called once more: connections are not waited for any more. */
void nvmet_stop_begin(void);

enum nvmet_stop {
	NVMET_STOP_NOT, /* was not begun, or goes on */
	NVMET_STOPPED,	/* no connection is left, every drive is closed */
	NVMET_GAVE_UP, /* time was up, as was logged: whoever waits for a drive may wait for ever */
};

/* nvmet_stop_result() - why the main loop's run has ended */
enum nvmet_stop nvmet_stop_result(void);

#endif /* TARGET_STOP_H */
