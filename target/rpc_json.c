// SPDX-License-Identifier: BSD-2-Clause
/*
 * JSON members in and out, and base64. Any thread. Entry points: nvmet_rpc_get_*(),
 * nvmet_rpc_put_*(). RFC 4648, section 4.
 */
#include "target/rpc_json.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/util.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- errors ---- */

int nvmet_rpc_set_error(struct nvmet_rpc_error *err, int code, const char *fmt, ...)
{
	va_list args;

	if (err->code)
		return -EINVAL;
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

int nvmet_rpc_errno(struct nvmet_rpc_error *err, int ret, const char *fmt, ...)
{
	va_list args;
	int n;

	if (err->code)
		return ret;
	err->code = ret;
	n = snprintf(err->text, sizeof(err->text), "%s", strerror(-ret));
	if (!fmt)
		return ret;
	n += snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": ");
	va_start(args, fmt);
	vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, args);
	va_end(args);
	return ret;
}

static void invalid(struct nvmet_rpc_params *p, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void invalid(struct nvmet_rpc_params *p, const char *name, const char *fmt, ...)
{
	char why[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS, "Invalid parameters: %s: %s", name,
			    why);
}

/* ---- parameters ---- */

void nvmet_rpc_params_init(struct nvmet_rpc_params *p, struct json_object *val,
			   struct nvmet_rpc_error *err)
{
	*p = (struct nvmet_rpc_params){ .obj = val, .err = err };
	if (!val || json_object_is_type(val, json_type_object))
		return;
	p->obj = NULL;
	nvmet_rpc_set_error(err, NVMET_RPC_INVALID_PARAMS,
			    "Invalid parameters: expected an object with names");
}

/* null is as good as absent. */
static struct json_object *member(struct nvmet_rpc_params *p, const char *name)
{
	struct json_object *val;

	assert(p->nr_known < ARRAY_SIZE(p->known));
	p->known[p->nr_known++] = name;
	return p->obj && json_object_object_get_ex(p->obj, name, &val) ? val : NULL;
}

/* A number: 12, or "12" and "0x0c" as a string for those who cannot write it otherwise. */
static bool number_of(struct json_object *val, uint64_t *number)
{
	const char *text;
	char *end;
	int base = 10;

	if (json_object_is_type(val, json_type_int)) {
		*number = json_object_get_uint64(val);
		return json_object_get_int64(val) >= 0;
	}
	if (!json_object_is_type(val, json_type_string))
		return false;
	text = json_object_get_string(val);
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		base = 16;
	}
	if (!(*text >= '0' && *text <= '9') &&
	    !(base == 16 && ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'f')))
		return false;
	errno = 0;
	*number = strtoull(text, &end, base);
	return !errno && !*end;
}

bool nvmet_rpc_get_uint(struct nvmet_rpc_params *p, const char *name, uint64_t min, uint64_t max,
			uint64_t *valuep)
{
	struct json_object *val = member(p, name);
	uint64_t number;

	if (!val)
		return false;
	if (!number_of(val, &number) || number < min || number > max) {
		invalid(p, name, "expected a number from %llu to %llu", (unsigned long long)min,
			(unsigned long long)max);
		return false;
	}
	*valuep = number;
	return true;
}

bool nvmet_rpc_get_u32(struct nvmet_rpc_params *p, const char *name, uint32_t max, uint32_t *valuep)
{
	uint64_t number;

	if (!nvmet_rpc_get_uint(p, name, 0, max, &number))
		return false;
	*valuep = (uint32_t)number;
	return true;
}

bool nvmet_rpc_get_bool(struct nvmet_rpc_params *p, const char *name, bool *valuep)
{
	struct json_object *val = member(p, name);

	if (!val)
		return false;
	if (!json_object_is_type(val, json_type_boolean)) {
		invalid(p, name, "expected true or false");
		return false;
	}
	*valuep = json_object_get_boolean(val);
	return true;
}

static const char *text_of(struct json_object *val)
{
	const char *text;

	if (!json_object_is_type(val, json_type_string))
		return NULL;
	text = json_object_get_string(val);
	return strlen(text) == (size_t)json_object_get_string_len(val) ? text : NULL;
}

const char *nvmet_rpc_get_text(struct nvmet_rpc_params *p, const char *name)
{
	struct json_object *val = member(p, name);
	const char *text = val ? text_of(val) : NULL;

	if (val && !text)
		invalid(p, name, "expected a string");
	return text;
}

bool nvmet_rpc_get_list(struct nvmet_rpc_params *p, const char *name, uint32_t max, uint16_t *list,
			uint32_t max_nr, uint32_t *nrp)
{
	struct json_object *val = member(p, name);
	uint64_t number;
	size_t nr;

	if (!val)
		return false;
	nr = json_object_is_type(val, json_type_array) ? json_object_array_length(val) : 0;
	if (!nr || nr > max_nr) {
		invalid(p, name, "expected a list of 1 to %u numbers", max_nr);
		return false;
	}
	for (size_t i = 0; i < nr; i++) {
		struct json_object *one = json_object_array_get_idx(val, i);

		if (!one || !number_of(one, &number) || number > max) {
			invalid(p, name, "expected numbers from 0 to %u", max);
			return false;
		}
		list[i] = (uint16_t)number;
	}
	*nrp = (uint32_t)nr;
	return true;
}

void nvmet_rpc_params_need(struct nvmet_rpc_params *p, const char *name)
{
	struct json_object *val;

	if (!p->obj || !json_object_object_get_ex(p->obj, name, &val) || !val)
		invalid(p, name, "is needed");
}

static bool is_known(const struct nvmet_rpc_params *p, const char *name)
{
	for (unsigned int i = 0; i < p->nr_known; i++)
		if (!strcmp(p->known[i], name))
			return true;
	return false;
}

int nvmet_rpc_params_end(struct nvmet_rpc_params *p)
{
	char quoted[64];

	if (!p->obj)
		return p->err->code ? -EINVAL : 0;
	json_object_object_foreach(p->obj, name, val)
	{
		(void)val;
		if (!is_known(p, name))
			nvmet_rpc_set_error(p->err, NVMET_RPC_INVALID_PARAMS,
					    "Invalid parameters: unknown name %s",
					    log_quote(quoted, sizeof(quoted), name, strlen(name)));
	}
	return p->err->code ? -EINVAL : 0;
}

/* ---- base64 ---- */

static int digit_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* @len: a multiple of 4. Return: bytes, or -1. */
static long decode(const char *text, size_t len, uint8_t *out)
{
	long n = 0;

	for (size_t i = 0; i < len; i += 4) {
		int pad = i + 4 == len ? (text[i + 3] == '=') +
						 (text[i + 3] == '=' && text[i + 2] == '=')
				       : 0;
		uint32_t bits = 0;

		for (int k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : digit_of(text[i + (size_t)k]);

			if (d < 0)
				return -1;
			bits = bits << 6 | (uint32_t)d;
		}
		for (int k = 0; k < 3 - pad; k++)
			out[n++] = (uint8_t)(bits >> (16 - 8 * k));
	}
	return n;
}

bool nvmet_rpc_get_data(struct nvmet_rpc_params *p, const char *name, uint32_t max, uint8_t **datap,
			uint32_t *lenp)
{
	const char *text = nvmet_rpc_get_text(p, name);
	size_t len = text ? strlen(text) : 0;
	uint8_t *data;
	long n;

	if (!text)
		return false;
	if (len % 4 || len / 4 * 3 > (size_t)max + 2) {
		invalid(p, name, "expected base64 of at most %u bytes", max);
		return false;
	}
	data = malloc(len / 4 * 3 + 1);
	n = data ? decode(text, len, data) : 0;
	if (!data || n < 0 || n > (long)max) {
		invalid(p, name, data ? "expected base64 of at most %u bytes" : "no memory for %u",
			max);
		free(data);
		return false;
	}
	*datap = data;
	*lenp = (uint32_t)n;
	return true;
}

char *nvmet_rpc_base64(const void *bytes, size_t len)
{
	char *text = malloc((len + 2) / 3 * 4 + 1), *out = text;
	const uint8_t *data = bytes;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t n = min_of(len - i, (size_t)3);
		uint32_t bits = (uint32_t)data[i] << 16 | (n > 1 ? data[i + 1] << 8 : 0) |
				(n > 2 ? data[i + 2] : 0);

		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = n > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = n > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
	return text;
}

/* ---- results ---- */

void nvmet_rpc_put(struct json_object *obj, const char *name, struct json_object *val)
{
	if (!obj || json_object_object_add(obj, name, val))
		json_object_put(val);
}

void nvmet_rpc_put_text(struct json_object *obj, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	nvmet_rpc_put(obj, name, json_object_new_string(text));
}

void nvmet_rpc_put_uint(struct json_object *obj, const char *name, uint64_t number)
{
	nvmet_rpc_put(obj, name, json_object_new_uint64(number));
}

void nvmet_rpc_put_field(struct json_object *obj, const char *name, const char *field, size_t size)
{
	char text[256];
	size_t len = min_of(strnlen(field, size), sizeof(text) - 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(field[i] >= ' ' && field[i] < 0x7f ? field[i] : '?');
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	nvmet_rpc_put(obj, name, json_object_new_string(text));
}

void nvmet_rpc_put_data(struct json_object *obj, const char *name, const void *data, size_t len)
{
	char *text = nvmet_rpc_base64(data, len);

	nvmet_rpc_put(obj, name, text ? json_object_new_string(text) : NULL);
	free(text);
}
