/*
 * Fat binaries: a header, then entries, each a cubin or PTX text for one architecture, perhaps
 * compressed. LZ4 is undone here; zstd came with CUDA 12.8, and a driver that loads it tells
 * parameters itself. Offsets were read off what nvcc 13.0 makes.
 */
#include "image/image.h"

#include <stdlib.h>

#define FATBIN_MAGIC 0xBA55ED50u
#define HEADER_BYTES                                                                           \
	16 /* u32 magic, u16 version, u16 header's bytes, u64 bytes that follow                \
	    */

enum {
	KIND_PTX = 1,
	KIND_ELF = 2,
	ENTRY_BYTES = 64, /* u16 kind, u16 version, u32 header's bytes, u64 bytes that follow */
	AT_PACKED_BYTES = 16,
	AT_FLAGS = 40,
	AT_UNPACKED_BYTES = 56,
	FLAG_LZ4 = 0x2000,
	FLAG_ZSTD = 0x8000,
};
#define UNPACKED_MOST ((uint64_t)1 << 30)
#define LZ4_RATIO_MOST 255

size_t fatbin_extent(const unsigned char *bytes, size_t length)
{
	uint64_t header, payload;

	if (length < HEADER_BYTES)
		return HEADER_BYTES;
	header = image_u16(bytes + 6);
	payload = image_u64(bytes + 8);
	return payload < SIZE_MAX / 4 ? header + payload : 0;
}

static void read_plain(uint16_t kind, const unsigned char *bytes, size_t length,
		       struct image_sink *sink)
{
	if (kind == KIND_ELF)
		cubin_read(bytes, length, sink);
	else
		ptx_read((const char *)bytes, length, sink);
}

static void read_packed(uint16_t kind, const unsigned char *entry, const unsigned char *bytes,
			size_t length, struct image_sink *sink)
{
	uint64_t packed = image_u32(entry + AT_PACKED_BYTES),
		 unpacked = image_u64(entry + AT_UNPACKED_BYTES);
	unsigned char *room = NULL;

	if (packed <= length && unpacked && unpacked <= UNPACKED_MOST &&
	    unpacked <= LZ4_RATIO_MOST * (packed + 1))
		room = malloc(unpacked);
	if (room && lz4_decode(bytes, packed, room, unpacked))
		read_plain(kind, room, unpacked, sink);
	else
		sink->unread++;
	free(room);
}

static void read_entry(const unsigned char *entry, const unsigned char *bytes, size_t length,
		       struct image_sink *sink)
{
	uint16_t kind = image_u16(entry);
	uint64_t flags = image_u64(entry + AT_FLAGS);

	if (kind != KIND_ELF && kind != KIND_PTX)
		return;
	if (flags & FLAG_ZSTD)
		sink->unread++;
	else if (flags & FLAG_LZ4)
		read_packed(kind, entry, bytes, length, sink);
	else
		read_plain(kind, bytes, length, sink);
}

void fatbin_read(const unsigned char *bytes, size_t length, struct image_sink *sink)
{
	size_t extent = fatbin_extent(bytes, length), at;

	if (length < HEADER_BYTES || image_u32(bytes) != FATBIN_MAGIC || !extent) {
		sink->unread++;
		return;
	}
	if (extent < length)
		length = extent;
	at = image_u16(bytes + 6);
	while (at < length) {
		const unsigned char *entry = bytes + at;
		uint64_t header, payload;

		if (length - at < ENTRY_BYTES)
			break;
		header = image_u32(entry + 4);
		payload = image_u64(entry + 8);
		if (header < ENTRY_BYTES || header > length - at ||
		    payload > length - at - header)
			break;
		read_entry(entry, entry + header, payload, sink);
		at += header + payload;
	}
	if (at < length || extent > length)
		sink->unread++;
}
