/*
 * PTX text: the declarations of `.entry` functions. A parameter lies at the next multiple of
 * its alignment, which is that of its type unless `.align` says otherwise.
 */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN_MOST 4096

/* What is left of the text. */
struct text {
	const char *at, *end;
};

struct token {
	const char *start;
	size_t length; /* 0: the text has ended */
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || c == '%';
}

/* Past white space and comments. */
static void skip_blank(struct text *text)
{
	while (text->at < text->end) {
		size_t left = (size_t)(text->end - text->at);
		const char *stop;

		if (*text->at == ' ' || (*text->at >= '\t' && *text->at <= '\r')) {
			text->at++;
		} else if (left >= 2 && !memcmp(text->at, "//", 2)) {
			stop = memchr(text->at, '\n', left);
			text->at = stop ? stop : text->end;
		} else if (left >= 2 && !memcmp(text->at, "/*", 2)) {
			stop = memmem(text->at + 2, left - 2, "*/", 2);
			text->at = stop ? stop + 2 : text->end;
		} else {
			return;
		}
	}
}

/* A word, a directive (a dot and a word), a string, or one character of anything else. */
static struct token next(struct text *text)
{
	const char *start;

	skip_blank(text);
	start = text->at;
	if (start == text->end)
		return (struct token){start, 0};
	if (*start == '"') {
		const char *stop = memchr(start + 1, '"', (size_t)(text->end - start - 1));

		text->at = stop ? stop + 1 : text->end;
	} else {
		text->at++;
		if (is_word(*start) || *start == '.')
			while (text->at < text->end && is_word(*text->at))
				text->at++;
	}
	return (struct token){start, (size_t)(text->at - start)};
}

static bool is(struct token token, const char *word)
{
	return token.length == strlen(word) && !memcmp(token.start, word, token.length);
}

/* Decimal, octal or hexadecimal, as PTX writes numbers. False: it is none, or past `most`. */
static bool number(struct token token, uint32_t most, uint32_t *out)
{
	uint64_t value = 0;
	size_t i = 0;
	unsigned int base = 10;

	if (token.length > 2 && token.start[0] == '0' &&
	    (token.start[1] == 'x' || token.start[1] == 'X')) {
		base = 16;
		i = 2;
	} else if (token.length > 1 && token.start[0] == '0') {
		base = 8;
		i = 1;
	}
	/* A trailing U says unsigned. */
	if (token.length > i + 1 && token.start[token.length - 1] == 'U')
		token.length--;
	if (i == token.length)
		return false;
	for (; i < token.length; i++) {
		char c = token.start[i];
		unsigned int digit = c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
				     : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10
				     : c >= 'A' && c <= 'F' ? (unsigned int)(c - 'A') + 10
							    : 99;

		if (digit >= base)
			return false;
		value = value * base + digit;
		if (value > most)
			return false;
	}
	*out = (uint32_t)value;
	return true;
}

/* 0: not a type of known size. */
static uint32_t type_bytes(struct token token)
{
	static const struct {
		const char *name;
		uint32_t bytes;
	} types[] = {
	    {".u64", 8},  {".b8", 1},	 {".u32", 4},	 {".f32", 4},	{".f64", 8},
	    {".s32", 4},  {".b64", 8},	 {".b32", 4},	 {".u8", 1},	{".s8", 1},
	    {".s64", 8},  {".u16", 2},	 {".s16", 2},	 {".b16", 2},	{".f16", 2},
	    {".bf16", 2}, {".f16x2", 4}, {".bf16x2", 4}, {".b128", 16},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(token, types[i].name))
			return types[i].bytes;
	return 0;
}

/* `[24]`, `[2][3]` or nothing, then `,` or `)`, which is left in *end. */
static bool read_extents(struct text *text, uint64_t *bytes, struct token *end)
{
	uint32_t count;

	for (*end = next(text); is(*end, "["); *end = next(text)) {
		if (!number(next(text), IMAGE_PARAM_BYTES_MAX, &count) || !count ||
		    !is(next(text), "]"))
			return false;
		*bytes *= count;
		if (*bytes > IMAGE_PARAM_BYTES_MAX)
			return false;
	}
	return is(*end, ",") || is(*end, ")");
}

static bool is_space(struct token token)
{
	return is(token, ".global") || is(token, ".const") || is(token, ".local") ||
	       is(token, ".shared") || is(token, ".param") || is(token, ".generic");
}

/* What stands between `.param` and the parameter's end. */
static bool read_param(struct text *text, uint64_t *bytes, uint32_t *align, struct token *end)
{
	bool to_pointee = false; /* after .ptr: an alignment is that of what it points to */
	struct token token;

	*bytes = *align = 0;
	for (token = next(text); token.length && token.start[0] == '.'; token = next(text)) {
		uint32_t value = type_bytes(token);

		if (is(token, ".align")) {
			if (!number(next(text), ALIGN_MOST, &value) || !value ||
			    value & (value - 1))
				return false;
			if (!to_pointee)
				*align = value;
		} else if (is(token, ".ptr")) {
			to_pointee = true;
		} else if (value && !*bytes) {
			*bytes = value;
		} else if (!to_pointee || !is_space(token)) {
			return false;
		}
	}
	if (!*bytes || !token.length || !is_word(token.start[0]))
		return false;
	if (!*align)
		*align = (uint32_t)*bytes;
	return read_extents(text, bytes, end);
}

static bool read_params(struct text *text, struct image_param *params, size_t *count)
{
	struct token token = next(text);
	uint64_t offset = 0, bytes;
	uint32_t align;

	*count = 0;
	if (is(token, ")"))
		return true;
	do {
		if (!is(token, ".param") || *count == IMAGE_PARAMS_MAX ||
		    !read_param(text, &bytes, &align, &token))
			return false;
		offset = (offset + align - 1) / align * align;
		if (offset + bytes > IMAGE_PARAM_BYTES_MAX)
			return false;
		params[(*count)++] = (struct image_param){(uint32_t)offset, (uint32_t)bytes};
		offset += bytes;
		if (is(token, ")"))
			return true;
		token = next(text);
	} while (token.length);
	return false;
}

/* What may follow the name of a kernel without parameters: its body, a directive, nothing. */
static bool ends_head(struct token token)
{
	return is(token, "{") || is(token, ";") || (token.length > 1 && *token.start == '.');
}

void ptx_read(const char *bytes, size_t length, struct image_sink *sink)
{
	struct text text = {bytes, bytes + strnlen(bytes, length)};
	/* Too large for a small stack. */
	struct image_param *params = malloc(IMAGE_PARAMS_MAX * sizeof(*params));

	if (!params) {
		sink->unread++;
		return;
	}
	for (struct token token = next(&text); token.length; token = next(&text)) {
		struct token name, after;
		struct text before;
		size_t count = 0;

		if (!is(token, ".entry"))
			continue;
		name = next(&text);
		before = text;
		after = next(&text);
		if (name.length && is_word(name.start[0]) &&
		    (is(after, "(") ? read_params(&text, params, &count) : ends_head(after)))
			sink->kernel(
			    sink->context,
			    &(struct image_kernel){name.start, name.length, params, count});
		else
			sink->unread++;
		/* What was not understood may hold the next entry. */
		text = before;
	}
	free(params);
}
