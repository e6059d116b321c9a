// SPDX-License-Identifier: BSD-2-Clause
/*
 * What went wrong last in this thread, as one line for people. Any thread; each has its own line.
 * Entry points: nvmh_error() by whoever decides that something failed, nvmh_strerror() by the
 * caller.
 */
#include <stdarg.h>
#include <stdio.h>

#include "host/ctrl.h"

static _Thread_local char line[512];

int nvmh_error(int err, const char *fmt, ...)
{
	char text[sizeof(line)]; /* an argument may be the line itself */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(line, text, sizeof(line));
	return err;
}

const char *nvmh_status_str(uint16_t status)
{
	return status_str(status);
}

const char *nvmh_strerror(void)
{
	return line;
}

/* The line's address: it differs between threads that live at the same time, and costs nothing to
 * know. */
uintptr_t nvmh_thread_token(void)
{
	return (uintptr_t)line;
}
