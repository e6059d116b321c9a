/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon at work: everything a configuration names is built up, served until a signal, and
 * taken down again.
 */
#ifndef TARGET_SERVE_H
#define TARGET_SERVE_H

#include "config/config.h"

/**
 * nvmet_serve() - build up what @cfg names, serve, return when SIGTERM or SIGINT has been obeyed
 * @cfg: borrowed until the return.
 * @hint: print the line to connect with, per listener and subsystem, to standard output.
 *
 * Context: the main thread, no other thread runs. Return: 0 after an orderly end; -errno with the
 * reason logged, nothing left half-started.
 */
int nvmet_serve(const struct config *cfg, bool hint);

#endif /* TARGET_SERVE_H */
