// SPDX-License-Identifier: BSD-2-Clause
/*
 * NVMe Qualified Names: what may be one.
 *
 * Context: any thread; no state. Entry points: see nqn.h.
 * NVMe Base 2.x, section 4.7; RFC 3629 (UTF-8).
 */
#include <errno.h>

#include "common/nqn.h"
#include "common/util.h"

/*
 * The bytes of the character at @p, 0 if it is not one: truncated, overlong, a surrogate, above
 * 10FFFFh, or a control character (C0, DEL, C1).
 */
static size_t utf8_char(const uint8_t *p, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = p[0];
	size_t n, i;

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	if (c >= 0xc0 && c < 0xe0)
		n = 2;
	else if (c >= 0xe0 && c < 0xf0)
		n = 3;
	else if (c >= 0xf0 && c < 0xf8)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	c &= 0x7fu >> n;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < 0xa0)
		return 0;
	return n;
}

static bool is_text(const uint8_t *p, size_t len)
{
	while (len) {
		size_t n = utf8_char(p, len);

		if (!n)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "yyyy-mm." */
static bool is_date(const uint8_t *p, size_t len)
{
	int month;
	int i;

	if (len < 8 || (p[4] != '-' && p[4] != '.') || p[7] != '.')
		return false;
	for (i = 0; i < 7; i++)
		if (i != 4 && !is_digit(p[i]))
			return false;
	month = (p[5] - '0') * 10 + p[6] - '0';
	return month >= 1 && month <= 12;
}

/* Letters, digits, '-', '_' and bytes beyond ASCII, in labels with a single '.' between them. */
static bool is_domain(const uint8_t *p, size_t len)
{
	bool label = false;
	size_t i;

	for (i = 0; i < len; i++) {
		uint8_t c = p[i];
		bool in_label = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				c == '-' || c == '_' || c >= 0x80;

		if (!in_label && (c != '.' || !label))
			return false;
		label = in_label;
	}
	return label;
}

static bool is_uuid(const uint8_t *p, size_t len)
{
	char text[UUID_TEXT];
	uint8_t uuid[UUID_BYTES];

	if (len != UUID_TEXT - 1)
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	return !uuid_from_text(text, uuid);
}

const char *nqn_check(const void *nqn, size_t len)
{
	const uint8_t *p = nqn;
	const size_t prefix = strlen(NQN_UUID_PREFIX);
	const uint8_t *colon;

	if (!len)
		return "is empty";
	if (len >= MAX_NQN_BYTES)
		return "is longer than 223 bytes";
	if (!is_text(p, len))
		return "contains a control character or is not UTF-8";
	if (len < 4 || memcmp(p, "nqn.", 4))
		return "does not begin with \"nqn.\"";
	if (!is_date(p + 4, len - 4))
		return "has no date after \"nqn.\": \"nqn.2014-08.org.example:name\"";
	colon = memchr(p + 12, ':', len - 12);
	if (!is_domain(p + 12, colon ? (size_t)(colon - p) - 12 : len - 12))
		return "has no reverse domain name after the date: \"nqn.2014-08.org.example:name\"";
	if (len >= prefix && !memcmp(p, NQN_UUID_PREFIX, prefix) &&
	    !is_uuid(p + prefix, len - prefix))
		return "has no valid UUID after \":uuid:\"";
	return NULL;
}

bool nqn_is_text(const void *nqn, size_t len)
{
	return len && len < MAX_NQN_BYTES && is_text(nqn, len);
}

int nqn_from_field(const char *field, size_t size, char nqn[MAX_NQN_BYTES])
{
	size_t limit = min_of(size, (size_t)MAX_NQN_BYTES);
	size_t len = strnlen(field, limit);

	if (len == limit || !nqn_is_text(field, len))
		return -EINVAL;
	memcpy(nqn, field, len + 1);
	return 0;
}

const char *nqn_from_uuid(const uint8_t uuid[UUID_BYTES], char nqn[MAX_NQN_BYTES])
{
	const size_t prefix = strlen(NQN_UUID_PREFIX);

	memcpy(nqn, NQN_UUID_PREFIX, prefix);
	uuid_to_text(uuid, nqn + prefix);
	return nqn;
}

int nqn_to_uuid(const char *nqn, uint8_t uuid[UUID_BYTES])
{
	const size_t prefix = strlen(NQN_UUID_PREFIX);

	if (strncmp(nqn, NQN_UUID_PREFIX, prefix))
		return -EINVAL;
	return uuid_from_text(nqn + prefix, uuid);
}
