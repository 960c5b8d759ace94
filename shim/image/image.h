/*
 * What a module image says of its kernels' parameters: for drivers that do not tell. An image
 * is a cubin (ELF), PTX text, or a fat binary of several of both.
 *
 * Reads memory that others wrote and that may be corrupt: nothing outside [bytes, bytes +
 * length) is touched, and what does not add up is left out. Owns nothing, knows no CUDA, takes
 * no lock. image_read_memory is for images that came without a length.
 */
#ifndef LOWTIDE_IMAGE_H
#define LOWTIDE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 32,764 bytes of parameters are the most a launch takes (CUDA 12.1 and newer). */
#define IMAGE_PARAMS_MAX 4096
#define IMAGE_PARAM_BYTES_MAX 65536

struct image_param {
	/* Where it lies in the packed buffer. Text says so only by remainders of 16: a cubin
	 * counts what is aligned to more than that from its constant bank's start, which
	 * differs by architecture. */
	uint32_t offset;
	uint32_t bytes;
};

struct image_kernel {
	const char *name; /* not terminated */
	size_t name_length;
	const struct image_param *params; /* in the order of the kernel's declaration */
	size_t param_count;
};

/* Who wants to know. A kernel may be told more than once: a fat binary holds it for several
 * architectures. Everything it points to is gone after the call. */
struct image_sink {
	void (*kernel)(void *context, const struct image_kernel *kernel);
	void *context;
	size_t unread; /* parts that could not be read: compressed in another way, or corrupt */
};

void image_read(const void *bytes, size_t length, struct image_sink *sink);
void image_read_memory(const void *image, struct image_sink *sink);
void image_read_file(const char *path, struct image_sink *sink);

/* How much an image whose first `length` bytes these are wants to be read; at most `length`:
 * that is all of it. Text has no such figure: 0. */
size_t image_extent(const unsigned char *bytes, size_t length);

/* --- the formats, each in its file */

void cubin_read(const unsigned char *bytes, size_t length, struct image_sink *sink);
size_t cubin_extent(const unsigned char *bytes, size_t length);
void fatbin_read(const unsigned char *bytes, size_t length, struct image_sink *sink);
size_t fatbin_extent(const unsigned char *bytes, size_t length);
void ptx_read(const char *text, size_t length, struct image_sink *sink);

/* One LZ4 block. True: it filled `to` exactly. */
bool lz4_decode(const unsigned char *from, size_t from_bytes, unsigned char *to,
		size_t to_bytes);

/* Little-endian, at any address. */
static inline uint16_t image_u16(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t image_u32(const unsigned char *at)
{
	return (uint32_t)image_u16(at) | (uint32_t)image_u16(at + 2) << 16;
}

static inline uint64_t image_u64(const unsigned char *at)
{
	return (uint64_t)image_u32(at) | (uint64_t)image_u32(at + 4) << 32;
}

#endif
