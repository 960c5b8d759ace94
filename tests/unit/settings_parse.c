#include "base/settings.h"

#include "base/log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

Test(settings, take_what_overlap_was_called_before)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(settings_parse(&settings, "SAFETY", "graced"));
	cr_assert(eq(int, settings.safety, SAFETY_OVERLAP));
	cr_assert(settings.safety_old_word);
	cr_assert(settings_parse(&settings, "SAFETY", "overlap"));
	cr_assert(eq(int, settings.safety, SAFETY_OVERLAP));
	cr_assert_not(settings.safety_old_word);
	cr_assert_not(settings_parse(&settings, "SAFETY", "loose"));
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
	    "",	   "potato", "-1G",   "0",	   "0G",	"8X",
	    "8GG", "101%",   "0%",    "inf",	   "nan",	"0x10",
	    "8G,", ",8G",    "1e30G", "64:8G",	   "0:",	":8G",
	    "8 G", " 8G",    "8G 4G", "0:8G;1:4G", "1e999",	"99999999999999999999:1G",
	    "8 ",  "8\t",    "8,5G",  "8G\n",	   "+8G",	"18446744073709551617:1G",
	    ".",   "%",	     "G",     "1.2.3G",	   "0:+1G",	"100.5%",
	    "8",   "1023K",  "0:8",   "8G,4G",	   "0:8G,0:4G", "1:2G,3G,5G",
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

/* A number of a thousand digits: FORM with its '*' replaced by so many of `digit`. */
static const char *long_number(const char *form, char digit)
{
	static char text[1100];
	size_t before = strcspn(form, "*");

	snprintf(text, sizeof(text), "%.*s%1000s%s", (int)before, form, "", form + before + 1);
	memset(text + before, digit, 1000);
	return text;
}

Test(settings, read_numbers_of_any_length)
{
	struct settings settings;

	cr_assert(ge(u64, cap_of(long_number("7.*G", '7'), 0), 7 * GIB));
	cr_assert(lt(u64, cap_of(long_number("7.*G", '7'), 0), 8 * GIB));
	cr_assert(eq(u64, cap_of(long_number("50.*%", '0'), 0), 12 * GIB));
	cr_assert(eq(u64, cap_of(long_number("*8G", '0'), 0), 8 * GIB));
	settings_defaults(&settings);
	cr_assert_not(settings_parse(&settings, "VRAM", long_number("*G", '7')));
	cr_assert_not(settings_parse(&settings, "VRAM", long_number("*:1G", '7')));
	cr_assert_not(settings_parse(&settings, "VRAM", long_number("0.*1%", '0')));
}

/* A locale whose decimal sign is a comma, made where the machine has none. */
static bool comma_locale(void)
{
	char folder[] = "/tmp/lowtide-locale-XXXXXX", command[256];
	bool got;

	if (setlocale(LC_ALL, "de_DE.UTF-8"))
		return true;
	if (!mkdtemp(folder))
		return false;
	snprintf(command, sizeof(command),
		 "localedef -f UTF-8 -i de_DE %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
	got = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 &&
	      setlocale(LC_ALL, "de_DE.UTF-8");
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) == 0 && got;
}

Test(settings, read_numbers_alike_in_every_locale)
{
	if (!comma_locale())
		cr_skip_test("no locale with a decimal comma can be had here");
	cr_assert(eq(str, localeconv()->decimal_point, ","));
	cr_assert(eq(u64, cap_of("0.5G", 0), GIB / 2));
	cr_assert(eq(u64, cap_of("12.5%", 0), 3 * GIB));
	cr_assert(eq(u64, cap_of("2G,1:0.5G", 1), GIB / 2));
}

Test(settings, accept_each_policy_of_the_table_and_say_so)
{
	static const char *const policies[] = {
#define POLICY(name, does) #name,
#include "policies.def"
#undef POLICY
	};
	struct settings_row row;
	struct settings settings;

	for (size_t i = 0; settings_row(i, &row) && strcmp(row.name, "POLICY");)
		i++;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		settings_defaults(&settings);
		cr_assert(settings_parse(&settings, "POLICY", policies[i]), "%s", policies[i]);
		cr_assert(eq(str, (char *)settings.policy, (char *)policies[i]));
		cr_assert(strstr(row.accepted, policies[i]) != NULL, "%s is named in \"%s\"",
			  policies[i], row.accepted);
	}
}

Test(settings, accept_each_default_of_the_table)
{
	struct settings_row row;
	struct settings settings;

	settings_defaults(&settings);
	for (size_t i = 0; settings_row(i, &row); i++)
		cr_assert(settings_parse(&settings, row.name, row.fallback), "%s=%s", row.name,
			  row.fallback);
}

Test(settings, accept_no_empty_value)
{
	struct settings_row row;
	struct settings settings;

	settings_defaults(&settings);
	for (size_t i = 0; settings_row(i, &row); i++)
		cr_assert_not(settings_parse(&settings, row.name, ""), "%s", row.name);
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

Test(settings, have_blocks_of_a_granule_to_64_of_them_in_powers_of_two)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(settings_parse(&settings, "BLOCK", "2M"));
	cr_assert(settings_parse(&settings, "BLOCK", "128M"));
	cr_assert(eq(u64, settings.block_bytes, 128ull << 20));
	cr_assert_not(settings_parse(&settings, "BLOCK", "1M"));
	cr_assert_not(settings_parse(&settings, "BLOCK", "6M"));
	cr_assert_not(settings_parse(&settings, "BLOCK", "256M"));
	cr_assert_not(settings_parse(&settings, "BLOCK", "0"));
}

Test(settings, suggest_the_nearest_name_and_nothing_far_away)
{
	cr_assert(eq(str, (char *)settings_nearest("VRAMM"), "VRAM"));
	cr_assert(eq(str, (char *)settings_nearest("REPROT"), "REPORT"));
	cr_assert(zero(ptr, (void *)settings_nearest("SOMETHING_ELSE_ENTIRELY")));
	cr_assert(zero(ptr, (void *)settings_nearest("REQWXYZED")), "four letters of eight");
}

Test(settings, say_what_the_system_has_against_a_log_file)
{
	struct settings settings;
	char line[400];

	settings_defaults(&settings);
	cr_assert_not(settings_parse(&settings, "LOG", "info,/no/such/folder/file"));
	settings_complaint("LOG", "info,/no/such/folder/file", line, sizeof(line));
	cr_assert(strstr(line, "No such file or directory") != NULL, "%s", line);
	cr_assert_not(settings_parse(&settings, "LOG", "loud"));
	settings_complaint("LOG", "loud", line, sizeof(line));
	cr_assert(strstr(line, "LOWTIDE_LOG=loud is not understood; accepted: error") != NULL,
		  "%s", line);
}

Test(settings, wait_for_no_reader_of_a_log_that_is_a_pipe, .timeout = 5)
{
	char path[] = "/tmp/lowtide-fifo-XXXXXX", value[64];
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(mkdtemp(path) != NULL);
	snprintf(value, sizeof(value), "info,%s/fifo", path);
	cr_assert(zero(int, mkfifo(value + strlen("info,"), 0600)));
	cr_assert_not(settings_parse(&settings, "LOG", value));
	unlink(value + strlen("info,"));
	rmdir(path);
}

/* The whole way from the environment to the log. */
static size_t lines_logged(char *text, size_t room)
{
	char path[] = "/tmp/lowtide-log-XXXXXX", value[64];
	int file = mkstemp(path);
	size_t lines = 0;
	ssize_t length;

	snprintf(value, sizeof(value), "warn,%s", path);
	setenv("LOWTIDE_LOG", value, 1);
	settings_get();
	length = read(file, text, room - 1);
	text[length < 0 ? 0 : length] = '\0';
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	close(file);
	unlink(path);
	return lines;
}

Test(settings, give_each_bad_value_one_line_and_lose_nothing)
{
	static char long_word[3000], text[8192];

	clearenv();
	memset(long_word, 'x', sizeof(long_word) - 1);
	setenv("LOWTIDE_VRAM", "potato", 1);
	setenv("LOWTIDE_POLICY", long_word, 1);
	setenv("LOWTIDE_REPORT", "cap\nlowtide: all is well", 1);
	setenv("LOWTIDE_DIRTY", "\033[2Jhash", 1);
	setenv("LOWTIDE_HOST", "", 1);
	setenv("LOWTIDE_VRAMM", "1", 1);
	setenv("LOWTIDE_SIM_ANYTHING", "1", 1);
	setenv("LOWTIDE_LIBRARY", "/lib/liblowtide.so", 1);
	setenv("LOWTIDE_BLOCK", "4M", 1);
	cr_assert(eq(sz, lines_logged(text, sizeof(text)), 6), "%s", text);
	cr_assert(settings_get()->misread);
	cr_assert(strstr(text, "LOWTIDE_VRAM=potato is not understood; accepted: a size") &&
		  strstr(text, "; using 75%"));
	cr_assert(strstr(text, "xxx... is not understood; accepted: none, balanced") &&
		  strstr(text, "; using auto"));
	cr_assert(strstr(text, "LOWTIDE_REPORT=cap?lowtide: all is well is not") != NULL);
	cr_assert(strstr(text, "LOWTIDE_DIRTY=?[2Jhash is not") != NULL);
	cr_assert(strstr(text, "LOWTIDE_HOST= is not understood") != NULL);
	cr_assert(strstr(text, "LOWTIDE_VRAMM is not a setting of this version; did you mean "
			       "LOWTIDE_VRAM\n") != NULL);
	cr_assert(eq(u64, settings_get()->block_bytes, 4ull << 20), "the good one holds");
	cr_assert(eq(str, (char *)settings_get()->policy, "auto"));
}

/* A program closes what it does not know, and opens a file of its own under that number. */
Test(settings, write_no_log_line_into_another_file)
{
	char path[] = "/tmp/lowtide-log-XXXXXX", value[64];
	struct stat log, status;
	FILE *own = tmpfile();
	int file;

	close(mkstemp(path));
	snprintf(value, sizeof(value), "warn,%s", path);
	cr_assert(log_configure(value));
	cr_assert(zero(int, stat(path, &log)));
	for (file = 3; fstat(file, &status) || status.st_ino != log.st_ino;)
		cr_assert(lt(int, ++file, 1000));
	log_error("a line");
	cr_assert(zero(int, stat(path, &log)));
	cr_assert(eq(i64, log.st_size, (int64_t)strlen("lowtide: a line\n")));
	unlink(path);

	cr_assert(eq(int, dup2(fileno(own), file), file));
	log_error("another line");
	cr_assert(zero(int, fstat(file, &status)));
	cr_assert(zero(i64, status.st_size));
}

Test(settings, take_patience_in_seconds)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(eq(u64, settings.patience_ns, 2000000000));
	cr_assert(settings_parse(&settings, "PATIENCE", "0.25"));
	cr_assert(eq(u64, settings.patience_ns, 250000000));
	for (const char *const *bad =
		 (const char *const[]){"", "0", "-1", "2s", "1e3", "3601", "nan", "inf", NULL};
	     *bad; bad++)
		cr_assert_not(settings_parse(&settings, "PATIENCE", *bad), "%s", *bad);
	cr_assert(eq(u64, settings.patience_ns, 250000000));
}

Test(settings, take_blocks_of_a_power_of_two_granules)
{
	struct settings settings;

	settings_defaults(&settings);
	cr_assert(settings_parse(&settings, "BLOCK", "16M"));
	for (size_t i = 0; i < 4; i++) {
		static const char *const sizes[] = {"6M", "3M", "1M", "256M"};

		cr_assert_not(settings_parse(&settings, "BLOCK", sizes[i]), "%s", sizes[i]);
	}
	cr_assert(eq(u64, settings.block_bytes, 16 << 20));
}

Test(settings, understand_a_value_whole_or_not_at_all)
{
	static const char *const names[] = {"HOST", "LOW", "HIGH", "MIN", "RESERVE", "BLOCK"};
	struct settings settings;

	settings_defaults(&settings);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert(settings_parse(&settings, names[i], "4M"), "%s", names[i]);
		cr_assert_not(settings_parse(&settings, names[i], "4M,8M"), "%s", names[i]);
		cr_assert_not(settings_parse(&settings, names[i], "4M "), "%s", names[i]);
	}
}
