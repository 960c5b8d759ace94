/* The decoder of LZ4 blocks, which is how fat binaries for these drivers are compressed. */
#include "image/image.h"

#include <string.h>

#define MATCH_MIN 4

/* A length of 15 goes on in bytes, each adding to it, until one is not 255. */
static bool read_length(const unsigned char **at, const unsigned char *end, size_t *length)
{
	unsigned char more;

	if (*length != 15)
		return true;
	do {
		if (*at == end)
			return false;
		more = *(*at)++;
		*length += more;
	} while (more == 255);
	return true;
}

bool lz4_decode(const unsigned char *from, size_t from_bytes, unsigned char *to,
		size_t to_bytes)
{
	const unsigned char *end = from + from_bytes;
	size_t done = 0;

	while (from < end) {
		size_t literals = *from >> 4, match = *from & 15, distance;

		from++;
		if (!read_length(&from, end, &literals) || literals > (size_t)(end - from) ||
		    literals > to_bytes - done)
			return false;
		memcpy(to + done, from, literals);
		from += literals;
		done += literals;
		if (from == end)
			return done == to_bytes;
		if (end - from < 2)
			return false;
		distance = image_u16(from);
		from += 2;
		if (!read_length(&from, end, &match) || !distance || distance > done ||
		    match + MATCH_MIN > to_bytes - done)
			return false;
		/* Byte by byte: a match may reach into what it is itself writing. */
		for (size_t i = 0; i < match + MATCH_MIN; i++, done++)
			to[done] = to[done - distance];
	}
	return false;
}
