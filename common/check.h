/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes and offsets of wire formats, checked when compiled. Installed: it comes with nvmh.h.
 */
#ifndef COMMON_CHECK_H
#define COMMON_CHECK_H

#include <assert.h>
#include <stddef.h>

#define check_size(type, size) static_assert(sizeof(type) == (size), #type " size")
#define check_offset(type, member, off) \
	static_assert(offsetof(type, member) == (off), #type "." #member " offset")

#endif /* COMMON_CHECK_H */
