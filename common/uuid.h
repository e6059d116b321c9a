/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UUIDs and NGUIDs as 16 bytes in the order Identify returns them (big-endian), their text, and
 * name-based UUIDs: a namespace without an identity of its own gets one that is the same after
 * every restart.
 * RFC 9562; NVMe Base 2.x, sections "Namespace Globally Unique Identifier" and "UUID".
 *
 * Context: any thread.
 */
#ifndef COMMON_UUID_H
#define COMMON_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UUID_BYTES = 16,
	UUID_TEXT = 37,	 /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and NUL */
	NGUID_TEXT = 33, /* 32 digits and NUL */
};

/**
 * uuid_from_text() - read a UUID
 * @text: 36 characters, digits of either case, and nothing after them.
 * Return: 0; -EINVAL.
 */
int uuid_from_text(const char *text, uint8_t uuid[UUID_BYTES]);

/** uuid_to_text() - lower case with dashes. Return: @text. */
const char *uuid_to_text(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT]);

/** nguid_from_text() - 32 hexadecimal digits, or the form of a UUID. Return: 0; -EINVAL. */
int nguid_from_text(const char *text, uint8_t nguid[UUID_BYTES]);

/** nguid_to_text() - 32 digits, lower case. Return: @text. */
const char *nguid_to_text(const uint8_t nguid[UUID_BYTES], char text[NGUID_TEXT]);

bool uuid_is_zero(const uint8_t uuid[UUID_BYTES]);

/**
 * uuid_from_name() - the version 5 UUID (SHA-1) of a name
 * @space: UUID that the name belongs to; may be @uuid.
 * @name, @len: any bytes.
 *
 * Return: 0; -ENOMEM; -EIO, the crypto library has no SHA-1.
 */
int uuid_from_name(const uint8_t space[UUID_BYTES], const void *name, size_t len,
		   uint8_t uuid[UUID_BYTES]);

#endif /* COMMON_UUID_H */
