/*
 * A driver for fuzz targets where libFuzzer is not: replays what is kept, then changes it by
 * a generator with a fixed seed, for so many seconds or runs. It sees no coverage; it is better
 * than nothing, and the same inputs come each time. Takes of libFuzzer's options those that
 * tests/fuzz/run gives: -max_total_time=S -runs=N -max_len=N -artifact_prefix=P, and a folder.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MOST 256

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct {
	uint8_t *bytes;
	size_t length;
} kept[KEPT_MOST];
static size_t kept_count, max_len = 4096;
static const char *prefix = "./";
static uint8_t *now; /* the input that is tried */
static size_t now_length;

static uint64_t below(uint64_t bound)
{
	static uint64_t state = 0x9E3779B97F4A7C15ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return bound ? state % bound : 0;
}

/* Only what a signal handler may: the sanitizers' report has been written by then. */
static void keep(int signal_number)
{
	char name[512];
	FILE *file;

	signal(SIGABRT, SIG_DFL);
	snprintf(name, sizeof(name), "%scrash", prefix);
	file = fopen(name, "wb");
	if (file) {
		fwrite(now, 1, now_length, file);
		fclose(file);
		fprintf(stderr, "the input is kept in %s\n", name);
	}
	raise(signal_number);
}

static void read_one(const char *folder, const char *name)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = kept_count < KEPT_MOST ? fopen(path, "rb") : NULL;
	if (!file)
		return;
	kept[kept_count].bytes = malloc(max_len);
	kept[kept_count].length = fread(kept[kept_count].bytes, 1, max_len, file);
	kept_count++;
	fclose(file);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_folder(const char *folder)
{
	struct dirent **names;
	int count = scandir(folder, &names, NULL, by_name);

	for (int i = 0; i < count; i++)
		if (names[i]->d_name[0] != '.')
			read_one(folder, names[i]->d_name);
}

/* One change: a bit, a byte, a few of another's bytes, some out, some in. */
static void change(void)
{
	size_t at = below(now_length), other, count;

	switch (below(6)) {
	case 0:
		if (now_length)
			now[at] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		if (now_length)
			now[at] = (uint8_t)below(256);
		break;
	case 2:
		if (now_length)
			now[at] = (uint8_t)(below(2) ? 0xff : 0);
		break;
	case 3:
		now_length = at;
		break;
	case 4:
		other = below(kept_count);
		count = below(kept[other].length + 1);
		if (count > max_len - at)
			count = max_len - at;
		memcpy(now + at, kept[other].bytes, count);
		if (at + count > now_length)
			now_length = at + count;
		break;
	default:
		for (count = below(16) + 1; count && now_length < max_len; count--)
			now[now_length++] = (uint8_t)below(256);
	}
}

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void try_now(void)
{
	/* Of its own length, so that a read past the end is seen. */
	uint8_t *exact = malloc(now_length ? now_length : 1);

	memcpy(exact, now, now_length);
	LLVMFuzzerTestOneInput(exact, now_length);
	free(exact);
}

int main(int argc, char **argv)
{
	unsigned long runs_most = 0, runs = 0;
	double limit = 0, end;
	const char *folder = NULL;

	for (int i = 1; i < argc; i++) {
		if (sscanf(argv[i], "-max_total_time=%lf", &limit) == 1 ||
		    sscanf(argv[i], "-runs=%lu", &runs_most) == 1 ||
		    sscanf(argv[i], "-max_len=%zu", &max_len) == 1)
			continue;
		if (!strncmp(argv[i], "-artifact_prefix=", 17))
			prefix = argv[i] + 17;
		else if (argv[i][0] != '-')
			folder = argv[i];
	}
	if (folder)
		read_folder(folder);
	if (!kept_count) {
		kept[0].bytes = calloc(1, max_len);
		kept[0].length = max_len < 64 ? max_len : 64;
		kept_count = 1;
	}
	now = malloc(max_len);
	signal(SIGABRT, keep);
	for (size_t i = 0; i < kept_count; i++, runs++) {
		now_length = kept[i].length;
		memcpy(now, kept[i].bytes, now_length);
		try_now();
	}
	for (end = seconds() + limit; (!limit || seconds() < end) &&
				      (!runs_most || runs < runs_most) && (limit || runs_most);
	     runs++) {
		size_t from = below(kept_count), changes = 1 + below(32);

		now_length = kept[from].length;
		memcpy(now, kept[from].bytes, now_length);
		while (changes--)
			change();
		try_now();
	}
	fprintf(stderr, "Done %lu runs\n", runs);
	return 0;
}
