/*
 * What sim_names and sim_handles share: twelve pieces of memory, filled, of which a cap leaves
 * some in RAM; a launch that is given one of those; and where it lies afterwards, which the
 * simulator tells. Both are called with a CASE and what to EXPECT of it:
 *
 *   noticed    the piece was in RAM, and is in VRAM
 *   unnoticed  it was in RAM, and still is
 *   bare       nothing is in RAM: no library
 *
 * In each case the kernel must have added to the piece what it was asked to. SIM_IMAGE names
 * the test kernels.
 */
#ifndef NAMES_H
#define NAMES_H

#include "program.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECES 12u
#define PIECE_BYTES (2 * UNIT) /* a block */
#define ADDED 7u

static CUdeviceptr piece[PIECES];
static enum { NOTICED, UNNOTICED, BARE } expect;

static void fill_all(void)
{
	for (unsigned int i = 0; i < PIECES; i++)
		fill(piece[i], 100 * i, PIECE_BYTES, NULL);
	MUST(cuCtxSynchronize());
}

static void start_pieces(void)
{
	start();
	for (unsigned int i = 0; i < PIECES; i++)
		MUST(cuMemAlloc(&piece[i], PIECE_BYTES));
	/* Twice: what is filled first is resident from the start. */
	fill_all();
	fill_all();
}

static CUdeviceptr cold_piece(void)
{
	if (expect == BARE)
		return piece[3];
	for (unsigned int i = 0; i < PIECES; i++)
		if (!in_vram(piece[i]))
			return piece[i];
	wrong("no piece is in RAM");
	return 0;
}

static void check_noticed(CUdeviceptr at, const char *what)
{
	bool is_in_vram = in_vram(at) == 1;
	unsigned int word = 0, filled = 0;

	for (unsigned int i = 0; i < PIECES; i++)
		if (piece[i] == at)
			filled = 100 * i;
	MUST(cuCtxSynchronize());
	MUST(cuMemcpyDtoH(&word, at, sizeof(word)));
	if (word != filled + ADDED) {
		fprintf(stderr, "%s: %u, not %u\n", what, word, filled + ADDED);
		wrong("what the kernel wrote");
	}
	if (is_in_vram != (expect != UNNOTICED))
		wrong(is_in_vram ? "the piece was noticed" : "the piece was not noticed");
}

/* Of the kernel `increment`. */
struct arguments {
	CUdeviceptr out;
	unsigned int by;
	unsigned long n;
	void *params[3];
};

static void arguments_for(struct arguments *a, CUdeviceptr out)
{
	*a = (struct arguments){.out = out, .by = ADDED, .n = 1};
	a->params[0] = &a->out;
	a->params[1] = &a->by;
	a->params[2] = &a->n;
}

typedef CUresult (*launch_fn)(CUfunction, unsigned int, unsigned int, unsigned int,
			      unsigned int, unsigned int, unsigned int, unsigned int, CUstream,
			      void **, void **);
static void plain_with(CUfunction f, cuuint64_t flags)
{
	launch_fn call = (launch_fn)driver_function("cuLaunchKernel", 13000, flags);
	struct arguments a;

	arguments_for(&a, cold_piece());
	MUST(call(f, 1, 1, 1, 1, 1, 1, 0, NULL, a.params, NULL));
	check_noticed(a.out, "cuLaunchKernel");
}

static void plain(void)
{
	plain_with(function("increment"), 0);
}

static void *image_in_memory(size_t *bytes)
{
	int file = open(getenv("SIM_IMAGE"), O_RDONLY);
	struct stat about;
	void *image;

	if (file < 0 || fstat(file, &about))
		wrong("SIM_IMAGE");
	*bytes = (size_t)about.st_size;
	image = malloc(*bytes);
	if (read(file, image, *bytes) != (ssize_t)*bytes)
		wrong("SIM_IMAGE");
	close(file);
	return image;
}

struct fat {
	struct {
		unsigned int magic;
		unsigned short version, header_bytes;
		unsigned long long bytes;
	} header;
	struct {
		unsigned short kind, version;
		unsigned int header_bytes;
		unsigned long long bytes, rest[6];
	} entry;
	unsigned char image[];
};

static struct fat *fat_binary(void)
{
	size_t bytes;
	void *image = image_in_memory(&bytes);
	struct fat *fat = calloc(1, sizeof(*fat) + bytes);

	memcpy(fat->image, image, bytes);
	free(image);
	fat->header.magic = 0xBA55ED50;
	fat->header.version = 1;
	fat->header.header_bytes = sizeof(fat->header);
	fat->header.bytes = sizeof(fat->entry) + bytes;
	fat->entry.kind = 2;
	fat->entry.version = 0x101;
	fat->entry.header_bytes = sizeof(fat->entry);
	fat->entry.bytes = bytes;
	return fat;
}

static CUlibrary library_of(const void *code)
{
	CUlibrary library;

	MUST(cuLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0));
	return library;
}

/* main() of both. */
static int run_named(const struct program_case *cases, size_t count, int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s CASE noticed|unnoticed|bare\n", argv[0]);
		return 2;
	}
	expect = !strcmp(argv[2], "noticed")	 ? NOTICED
		 : !strcmp(argv[2], "unnoticed") ? UNNOTICED
						 : BARE;
	start_pieces();
	return run_case(cases, count, 2, argv);
}

#endif
