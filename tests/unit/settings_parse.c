#include "settings.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define GIB (1ull << 30)

static uint64_t cap_of(const char *value, int device)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(settings_parse(&settings, "VRAM", value), "\"%s\" is accepted", value);
	return settings_cap_bytes(&settings, device, 24 * GIB);
}

Test(settings, take_sizes_in_every_spelling)
{
	cr_assert(eq(u64, cap_of("8G", 0), 8 * GIB));
	cr_assert(eq(u64, cap_of("8g", 0), 8 * GIB));
	cr_assert(eq(u64, cap_of("8GiB", 0), 8 * GIB));
	cr_assert(eq(u64, cap_of("8GB", 0), 8 * GIB));
	cr_assert(eq(u64, cap_of("0.5G", 0), GIB / 2));
	cr_assert(eq(u64, cap_of("512M", 0), GIB / 2));
	cr_assert(eq(u64, cap_of("1048576", 0), 1ull << 20));
}

Test(settings, take_a_share_of_the_card)
{
	cr_assert(eq(u64, cap_of("50%", 0), 12 * GIB));
	cr_assert(eq(u64, cap_of("100%", 0), 24 * GIB));
}

Test(settings, never_promise_more_than_the_card_has)
{
	cr_assert(eq(u64, cap_of("80G", 0), 24 * GIB));
}

Test(settings, default_to_three_quarters_of_the_card)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(eq(u64, settings_cap_bytes(&settings, 0, 24 * GIB), 18 * GIB));
	cr_assert(eq(u64, settings_cap_bytes(&settings, -1, 24 * GIB), 18 * GIB));
}

Test(settings, give_each_device_its_own_cap)
{
	cr_assert(eq(u64, cap_of("0:8G,1:4G", 0), 8 * GIB));
	cr_assert(eq(u64, cap_of("0:8G,1:4G", 1), 4 * GIB));
	cr_assert(eq(u64, cap_of("0:8G,1:4G", 2), 18 * GIB), "the default");
	cr_assert(eq(u64, cap_of("2G,1:25%", 0), 2 * GIB));
	cr_assert(eq(u64, cap_of("2G,1:25%", 1), 6 * GIB));
}

Test(settings, refuse_nonsense_and_keep_what_they_had)
{
	static const char *const bad[] = {
	    "",	   "potato", "-1G",   "0",	   "0G",    "8X",
	    "8GG", "101%",   "0%",    "inf",	   "nan",   "0x10",
	    "8G,", ",8G",    "1e30G", "64:8G",	   "0:",    ":8G",
	    "8 G", " 8G",    "8G 4G", "0:8G;1:4G", "1e999", "99999999999999999999:1G",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings settings;

		settings_defaults(&settings);
		settings_parse(&settings, "VRAM", "3G");
		cr_assert_not(settings_parse(&settings, "VRAM", bad[i]), "\"%s\" is refused",
			      bad[i]);
		cr_assert(eq(u64, settings_cap_bytes(&settings, 0, 24 * GIB), 3 * GIB),
			  "\"%s\"", bad[i]);
	}
}

Test(settings, know_only_their_own_words)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(settings_parse(&settings, "REPORT", "cap"));
	cr_assert(eq(int, settings.report, REPORT_CAP));
	cr_assert_not(settings_parse(&settings, "REPORT", "Cap"));
	cr_assert_not(settings_parse(&settings, "DISABLE", "yes"));
	cr_assert_not(settings_parse(&settings, "POLICY", "fast"));
	cr_assert_not(settings_parse(&settings, "LOG", "loud"));
	cr_assert_not(settings_parse(&settings, "LOG", "info,/no/such/folder/file"));
	cr_assert_not(settings_parse(&settings, "NOTHING", "1"));
}

Test(settings, suggest_the_nearest_name_and_nothing_far_away)
{
	cr_assert(eq(str, (char *)settings_nearest("VRAMM"), "VRAM"));
	cr_assert(eq(str, (char *)settings_nearest("REPROT"), "REPORT"));
	cr_assert(zero(ptr, (void *)settings_nearest("SOMETHING_ELSE_ENTIRELY")));
}
