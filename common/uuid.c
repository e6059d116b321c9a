// SPDX-License-Identifier: BSD-2-Clause
/*
 * UUIDs and NGUIDs: text and name-based values.
 *
 * Context: any thread; no state. uuid_from_name() allocates: not for the data path. Entry points:
 * see uuid.h.
 * RFC 9562, sections 4 and 5.5.
 */
#include <errno.h>
#include <openssl/evp.h>

#include "common/util.h"
#include "common/uuid.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool dash_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static int from_text(const char *text, bool dashes, uint8_t out[UUID_BYTES])
{
	uint8_t value[UUID_BYTES];
	int i;

	for (i = 0; i < UUID_BYTES; i++) {
		int high, low;

		if (dashes && dash_before(i) && *text++ != '-')
			return -EINVAL;
		high = hex_value(text[0]);
		if (high < 0)
			return -EINVAL;
		low = hex_value(text[1]);
		if (low < 0)
			return -EINVAL;
		value[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return -EINVAL;
	memcpy(out, value, sizeof(value));
	return 0;
}

static const char *to_text(const uint8_t value[UUID_BYTES], bool dashes, char *text)
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;
	int i;

	for (i = 0; i < UUID_BYTES; i++) {
		if (dashes && dash_before(i))
			*p++ = '-';
		*p++ = digits[value[i] >> 4];
		*p++ = digits[value[i] & 0xf];
	}
	*p = '\0';
	return text;
}

int uuid_from_text(const char *text, uint8_t uuid[UUID_BYTES])
{
	return from_text(text, true, uuid);
}

const char *uuid_to_text(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT])
{
	return to_text(uuid, true, text);
}

int nguid_from_text(const char *text, uint8_t nguid[UUID_BYTES])
{
	return from_text(text, strnlen(text, UUID_TEXT) == UUID_TEXT - 1, nguid);
}

const char *nguid_to_text(const uint8_t nguid[UUID_BYTES], char text[NGUID_TEXT])
{
	return to_text(nguid, false, text);
}

bool uuid_is_zero(const uint8_t uuid[UUID_BYTES])
{
	static const uint8_t zero[UUID_BYTES];

	return !memcmp(uuid, zero, sizeof(zero));
}

int uuid_from_name(const uint8_t space[UUID_BYTES], const void *name, size_t len,
		   uint8_t uuid[UUID_BYTES])
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ret = -EIO;

	if (!ctx)
		return -ENOMEM;
	if (EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) && EVP_DigestUpdate(ctx, space, UUID_BYTES) &&
	    EVP_DigestUpdate(ctx, name, len) && EVP_DigestFinal_ex(ctx, hash, NULL)) {
		memcpy(uuid, hash, UUID_BYTES);
		uuid[6] = (uuid[6] & 0x0f) | 0x50; /* version 5 */
		uuid[8] = (uuid[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
		ret = 0;
	}
	EVP_MD_CTX_free(ctx);
	return ret;
}
