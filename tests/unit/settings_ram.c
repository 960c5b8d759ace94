#include "base/ram.h"
#include "base/settings.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (1ull << 30)

static char root[64];

static void make_root(void)
{
	strcpy(root, "/tmp/lowtide-ram-XXXXXX");
	cr_assert(mkdtemp(root) != NULL);
}

static void drop_root(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert(zero(int, system(command)));
}

/* A file below the root, its folders made on the way. */
static void put(const char *path, const char *text)
{
	char command[512];
	FILE *file;

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s%s')\"", root, path);
	cr_assert(zero(int, system(command)));
	snprintf(command, sizeof(command), "%s%s", root, path);
	file = fopen(command, "w");
	cr_assert(file != NULL);
	fputs(text, file);
	fclose(file);
}

TestSuite(ram, .init = make_root, .fini = drop_root);

Test(ram, knows_no_limit_where_there_is_none)
{
	cr_assert(eq(u64, ram_group_bytes(root), UINT64_MAX), "not even /proc");
	put("/proc/self/cgroup", "0::/user.slice\n");
	put("/sys/fs/cgroup/user.slice/memory.max", "max\n");
	cr_assert(eq(u64, ram_group_bytes(root), UINT64_MAX));
}

Test(ram, takes_the_tightest_group_from_its_own_to_the_top)
{
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/memory.max", "4294967296\n");
	put("/sys/fs/cgroup/a/memory.current", "1073741824\n");
	put("/sys/fs/cgroup/a/b/memory.max", "8589934592\n");
	cr_assert(eq(u64, ram_group_bytes(root), 3 * GIB));
	put("/sys/fs/cgroup/a/b/memory.max", "2147483648\n");
	cr_assert(eq(u64, ram_group_bytes(root), 2 * GIB));
}

Test(ram, finds_the_limit_of_a_container_at_the_mount)
{
	put("/proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
	put("/sys/fs/cgroup/memory.max", "2147483648\n");
	put("/sys/fs/cgroup/memory.current", "1073741824\n");
	cr_assert(eq(u64, ram_group_bytes(root), GIB));
}

Test(ram, counts_file_pages_that_are_no_longer_used_as_free)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/memory.max", "4294967296\n");
	put("/sys/fs/cgroup/memory.current", "4294967296\n");
	put("/sys/fs/cgroup/memory.stat",
	    "anon 1073741824\ninactive_file 2147483648\nactive_file 1073741824\n");
	cr_assert(eq(u64, ram_group_bytes(root), 2 * GIB));
}

Test(ram, reads_the_first_version_of_groups)
{
	put("/proc/self/cgroup", "5:devices:/x\n4:cpu,memory:/job/step\n0::/\n");
	put("/sys/fs/cgroup/memory/job/step/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "3221225472\n");
	put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "2147483648\n");
	put("/sys/fs/cgroup/memory/job/memory.stat",
	    "inactive_file 7\ntotal_inactive_file 1073741824\n");
	cr_assert(eq(u64, ram_group_bytes(root), 2 * GIB));
}

Test(ram, knows_how_the_first_version_writes_that_there_is_no_limit)
{
	put("/proc/self/cgroup", "4:memory:/job\n");
	put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1073741824\n");
	cr_assert(eq(u64, ram_group_bytes(root), UINT64_MAX));
}

Test(ram, has_nothing_left_where_more_is_used_than_allowed)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/memory.max", "1048576\n");
	put("/sys/fs/cgroup/memory.current", "2097152\n");
	cr_assert(zero(u64, ram_group_bytes(root)));
}

/* LOWTIDE_HOST unset. */
Test(ram, is_left_to_the_program_and_the_machine_too)
{
	struct settings settings;
	uint64_t ram = ram_available_bytes();

	settings_defaults(&settings);
	cr_assert(le(u64, settings_host_bytes(&settings), ram - ram / 8));
	settings.host.bytes = 5 * GIB;
	cr_assert(eq(u64, settings_host_bytes(&settings), 5 * GIB));
}

Test(ram, is_never_more_than_the_machine_has)
{
	cr_assert(gt(u64, ram_machine_bytes(), 0));
	cr_assert(le(u64, ram_available_bytes(), ram_machine_bytes() + (1ull << 30)));
}
