// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control connection: bytes to JSON values, by json-c's incremental parser within limits of ours.
 * Any thread, one at a time. Entry points: nvmet_rpc_parse(), nvmet_rpc_parse_end(). RFC 8259.
 */
#include "target/rpc_parse.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "common/util.h"

int nvmet_rpc_parser_init(struct nvmet_rpc_parser *p)
{
	memset(p, 0, sizeof(*p));
	p->tok = json_tokener_new_ex(NVMET_RPC_MAX_DEPTH);
	if (!p->tok)
		return -ENOMEM;
	json_tokener_set_flags(p->tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	return 0;
}

void nvmet_rpc_parser_done(struct nvmet_rpc_parser *p)
{
	if (p->tok)
		json_tokener_free(p->tok);
	p->tok = NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool over_limit(const struct nvmet_rpc_parser *p)
{
	return p->len >= NVMET_RPC_MAX_REQUEST || p->nr_values > NVMET_RPC_MAX_VALUES;
}

/* A character of a number or a word. */
static bool is_token(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("+-.", c));
}

/* Whether the value under way ends before or with @c, outside of strings. */
static bool ends_value(struct nvmet_rpc_parser *p, char c)
{
	switch (c) {
	case '"':
		if (!p->depth && p->len)
			return true;
		p->in_string = true;
		p->nr_values++;
		return false;
	case '{':
	case '[':
		if (!p->depth && p->len)
			return true;
		p->depth++;
		p->nr_values++;
		return false;
	case '}':
	case ']':
		return !p->depth || !--p->depth;
	case ',':
	case ':':
		p->nr_values++;
		return !p->depth;
	default:
		return !p->depth && !is_token(c);
	}
}

/* Whether @c may follow in UTF-8 (RFC 3629): no overlong forms, no surrogates, none that is cut
 * off. */
static bool utf8_follows(struct nvmet_rpc_parser *p, unsigned char c)
{
	if (p->utf8_need) {
		bool good = c >= p->utf8_min && c <= p->utf8_max;

		p->utf8_need--;
		p->utf8_min = 0x80;
		p->utf8_max = 0xbf;
		return good;
	}
	if (c < 0x80)
		return true;
	p->utf8_need = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	p->utf8_min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	p->utf8_max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return c >= 0xc2 && c <= 0xf4;
}

enum token {
	TOKEN_NONE,
	TOKEN_MINUS,
	TOKEN_ZERO, /* a leading one: no digit follows */
	TOKEN_INT,
	TOKEN_DOT,
	TOKEN_FRACTION,
	TOKEN_EXP,
	TOKEN_EXP_SIGN,
	TOKEN_EXP_DIGITS,
	TOKEN_WORD, /* true, false, null: json-c knows which */
	TOKEN_BAD,
};

/* RFC 8259, section 6: the state after @c. */
static enum token token_after(enum token token, char c)
{
	bool digit = c >= '0' && c <= '9';
	bool exp = c == 'e' || c == 'E';

	switch (token) {
	case TOKEN_NONE:
		if (c == '-')
			return TOKEN_MINUS;
		if (c >= 'a' && c <= 'z')
			return TOKEN_WORD;
		/* fall through */
	case TOKEN_MINUS:
		return c == '0' ? TOKEN_ZERO : digit ? TOKEN_INT : TOKEN_BAD;
	case TOKEN_INT:
		if (digit)
			return TOKEN_INT;
		/* fall through */
	case TOKEN_ZERO:
		return c == '.' ? TOKEN_DOT : exp ? TOKEN_EXP : TOKEN_BAD;
	case TOKEN_FRACTION:
		if (exp)
			return TOKEN_EXP;
		/* fall through */
	case TOKEN_DOT:
		return digit ? TOKEN_FRACTION : TOKEN_BAD;
	case TOKEN_EXP:
		if (c == '+' || c == '-')
			return TOKEN_EXP_SIGN;
		/* fall through */
	case TOKEN_EXP_SIGN:
	case TOKEN_EXP_DIGITS:
		return digit ? TOKEN_EXP_DIGITS : TOKEN_BAD;
	case TOKEN_WORD:
		return c >= 'a' && c <= 'z' ? TOKEN_WORD : TOKEN_BAD;
	default:
		return TOKEN_BAD;
	}
}

static bool may_end(enum token token)
{
	return token == TOKEN_NONE || token == TOKEN_ZERO || token == TOKEN_INT ||
	       token == TOKEN_FRACTION || token == TOKEN_EXP_DIGITS || token == TOKEN_WORD;
}

/*
 * json-c lets pass what JSON does not know even when it is told to be strict: quotes of the other
 * kind, comments, NaN and Infinity, control characters in strings. Its checks of numbers and of
 * UTF-8 fail where they come in two pieces.
 */
static bool is_foreign(struct nvmet_rpc_parser *p, char c)
{
	bool good;

	if (p->in_string)
		return (unsigned char)c < 0x20 || !utf8_follows(p, (unsigned char)c);
	if (is_token(c)) {
		p->token = (unsigned char)token_after(p->token, c);
		return p->token == TOKEN_BAD;
	}
	good = may_end(p->token);
	p->token = TOKEN_NONE;
	return !good || c == '\'' || c == '/';
}

/* What @c does. Return: whether the value under way ends with it, or before. */
static bool follow(struct nvmet_rpc_parser *p, char c)
{
	if (!p->in_string)
		return ends_value(p, c);
	if (p->escaped) {
		p->escaped = false;
		return false;
	}
	p->escaped = c == '\\';
	if (c != '"')
		return false;
	p->in_string = false;
	return !p->depth;
}

/*
 * Follows brackets and strings as far as the value under way reaches, so that no byte is looked at
 * again for the next one, and counts what makes the parser allocate. Return: bytes of the value at
 * @data, with the one behind it where only that tells its end; *@endp whether it ends there.
 */
static size_t measure(struct nvmet_rpc_parser *p, const char *data, size_t len, bool *endp)
{
	size_t i;

	*endp = false;
	for (i = 0; i < len && !*endp && !over_limit(p); i++) {
		p->bad = is_foreign(p, data[i]);
		if (p->bad)
			break;
		*endp = follow(p, data[i]);
		p->len++;
	}
	return i;
}

static void begin(struct nvmet_rpc_parser *p)
{
	json_tokener_reset(p->tok);
	p->len = p->nr_values = p->depth = 0;
	p->in_string = p->escaped = p->bad = false;
	p->utf8_need = 0;
	p->token = TOKEN_NONE;
}

enum nvmet_rpc_event nvmet_rpc_parse(struct nvmet_rpc_parser *p, const char *data, size_t *lenp,
				     struct json_object **valuep)
{
	size_t len = *lenp, skipped = 0, fit;
	struct json_object *value;
	bool end;

	while (!p->len && skipped < len && is_blank(data[skipped]))
		skipped++;
	*lenp = skipped;
	if (skipped == len)
		return NVMET_RPC_MORE;
	fit = measure(p, data + skipped, min_of(len - skipped, (size_t)INT_MAX), &end);
	value = json_tokener_parse_ex(p->tok, data + skipped, (int)fit);
	switch (json_tokener_get_error(p->tok)) {
	case json_tokener_continue:
		*lenp += fit;
		if (p->bad || end)
			return NVMET_RPC_BAD;
		return over_limit(p) ? NVMET_RPC_TOO_BIG : NVMET_RPC_MORE;
	case json_tokener_success:
		*lenp += json_tokener_get_parse_end(p->tok);
		begin(p);
		*valuep = value;
		return NVMET_RPC_VALUE;
	case json_tokener_error_depth:
		return NVMET_RPC_TOO_BIG;
	default:
		return NVMET_RPC_BAD;
	}
}

enum nvmet_rpc_event nvmet_rpc_parse_end(struct nvmet_rpc_parser *p, struct json_object **valuep)
{
	size_t one = 1;
	enum nvmet_rpc_event event;

	if (!p->len)
		return NVMET_RPC_MORE;
	event = nvmet_rpc_parse(p, "\n", &one, valuep);
	return event == NVMET_RPC_MORE ? NVMET_RPC_BAD : event;
}
