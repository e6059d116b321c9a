// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the library's messages go: to the program that uses it, if that wants them. The thread that
 * sets it up; messages come from any. Entry point: nvmh_set_log().
 */
#include "common/log.h"
#include "host/nvmh.h"

#include <assert.h>

static_assert(NVMH_LOG_ERROR == (int)LOG_LVL_ERROR && NVMH_LOG_DEBUG == (int)LOG_LVL_DEBUG,
	      "the levels are the same");

/* Which of the caller's functions; that is of the process, as log.c's level is. */
static nvmh_log_fn *log_fn;

static void pass_on(enum log_level level, const char *text, void *arg)
{
	log_fn((enum nvmh_log_level)level, text, arg);
}

void nvmh_set_log(enum nvmh_log_level most, nvmh_log_fn *fn, void *arg)
{
	log_fn = fn;
	log_set_sink(fn ? pass_on : NULL, arg);
	log_set_level((enum log_level)most);
}
