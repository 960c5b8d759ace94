/*
 * Which format an image has, and images that came without a length. Those are read through the
 * kernel into a copy of our own: an address that a corrupt header leads to is then an error of
 * that read, not a fault of the program.
 */
#include "image/image.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WRAPPER_MAGIC 0x466243B1u /* u32 magic, u32 version, then the fat binary's address */
#define FATBIN_MAGIC 0xBA55ED50u
#define HEAD_BYTES 64
#define TEXT_STEP ((size_t)64 << 10)
#define IMAGE_MOST ((size_t)2 << 30)

static uint32_t magic(const unsigned char *bytes, size_t length)
{
	return length >= 4 ? image_u32(bytes) : 0;
}

static bool is_elf(const unsigned char *bytes, size_t length)
{
	return length >= SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG);
}

size_t image_extent(const unsigned char *bytes, size_t length)
{
	if (is_elf(bytes, length))
		return cubin_extent(bytes, length);
	return magic(bytes, length) == FATBIN_MAGIC ? fatbin_extent(bytes, length) : 0;
}

void image_read(const void *bytes, size_t length, struct image_sink *sink)
{
	if (is_elf(bytes, length))
		cubin_read(bytes, length, sink);
	else if (magic(bytes, length) == FATBIN_MAGIC)
		fatbin_read(bytes, length, sink);
	else
		ptx_read(bytes, length, sink);
}

/* Appends memory of this process to the file as far as it can be read. */
static size_t append(int file, const unsigned char *from, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		/* Not write(): AddressSanitizer's would look at the memory itself. */
		long wrote = syscall(SYS_write, file, from + done, bytes - done);

		if (wrote <= 0)
			break;
		done += (size_t)wrote;
	}
	return done;
}

/* Up to the NUL, in steps: nobody said how long the text is. */
static size_t append_text(int file, const unsigned char *from, size_t have)
{
	for (;;) {
		size_t got = append(file, from + have, TEXT_STEP), last = have;
		unsigned char *step;
		bool ended;

		have += got;
		if (got < TEXT_STEP || have >= IMAGE_MOST)
			return have;
		step = mmap(NULL, have, PROT_READ, MAP_SHARED, file, 0);
		if (step == MAP_FAILED)
			return have;
		ended = memchr(step + last, 0, got) != NULL;
		munmap(step, have);
		if (ended)
			return have;
	}
}

/* Until the copy has all that its own headers ask for. */
static size_t append_rest(int file, const unsigned char *from, size_t have)
{
	/* A header that leads to a table that leads to sections: three looks are enough. */
	for (int look = 0; look < 3; look++) {
		unsigned char *copy = mmap(NULL, have, PROT_READ, MAP_SHARED, file, 0);
		size_t extent, more;

		if (copy == MAP_FAILED)
			return have;
		extent = image_extent(copy, have);
		munmap(copy, have);
		if (extent <= have || extent > IMAGE_MOST)
			return have;
		more = append(file, from + have, extent - have);
		have += more;
		if (have < extent)
			return have;
	}
	return have;
}

static void read_file(int file, size_t length, struct image_sink *sink)
{
	void *copy;

	if (!length || length > IMAGE_MOST)
		return;
	copy = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, 0);
	if (copy == MAP_FAILED)
		return;
	image_read(copy, length, sink);
	munmap(copy, length);
}

void image_read_memory(const void *image, struct image_sink *sink)
{
	unsigned char head[HEAD_BYTES];
	const unsigned char *from = image;
	int file = memfd_create("lowtide-image", MFD_CLOEXEC);
	size_t have;

	if (file < 0) {
		sink->unread++;
		return;
	}
	have = append(file, from, HEAD_BYTES);
	if (pread(file, head, have, 0) != (ssize_t)have)
		have = 0;
	if (have >= 16 && magic(head, have) == WRAPPER_MAGIC) {
		from = (const unsigned char *)(uintptr_t)image_u64(head + 8);
		have = ftruncate(file, 0) || lseek(file, 0, SEEK_SET) < 0
			   ? 0
			   : append(file, from, HEAD_BYTES);
		if (pread(file, head, have, 0) != (ssize_t)have)
			have = 0;
	}
	if (have && !memchr(head, 0, have) && !is_elf(head, have) &&
	    magic(head, have) != FATBIN_MAGIC)
		have = append_text(file, from, have);
	else if (have)
		have = append_rest(file, from, have);
	read_file(file, have, sink);
	close(file);
}

void image_read_file(const char *path, struct image_sink *sink)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;

	if (file >= 0 && !fstat(file, &about) && S_ISREG(about.st_mode) && about.st_size > 0)
		read_file(file, (size_t)about.st_size, sink);
	else
		sink->unread++;
	if (file >= 0)
		close(file);
}
