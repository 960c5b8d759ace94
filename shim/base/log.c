#include "log.h"

#include "file.h"
#include "lock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic int log_threshold = LOG_WARN;	   /* atomic */
static _Atomic int log_descriptor = STDERR_FILENO; /* atomic */
static dev_t log_device; /* these two: of the file, set before log_descriptor is */
static ino_t log_inode;

static bool open_file(const char *path)
{
	struct stat status;
	int file = file_open(path, false);

	if (file < 0)
		return false;
	if (fstat(file, &status) != 0) {
		close(file);
		return false;
	}
	log_device = status.st_dev;
	log_inode = status.st_ino;
	atomic_store(&log_descriptor, file);
	return true;
}

/* Where a line goes. A program may close descriptors it does not know and open files of its own
 * under their numbers: a log line in one of those would be damage. */
static int descriptor(void)
{
	int file = atomic_load(&log_descriptor);
	struct stat status;

	if (file == STDERR_FILENO ||
	    (fstat(file, &status) == 0 && status.st_dev == log_device &&
	     status.st_ino == log_inode))
		return file;
	return STDERR_FILENO;
}

/* Nothing that a value brought along may end the line, or steer the terminal. */
static void make_plain(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
}

bool log_configure(const char *value)
{
	static const char *const names[] = {"off", "error", "warn", "info", "debug"};
	size_t length = strcspn(value, ",");

	for (int level = LOG_OFF; level <= LOG_DEBUG; level++) {
		if (strlen(names[level]) != length || strncmp(names[level], value, length))
			continue;
		if (value[length] == ',' && !open_file(value + length + 1))
			return false;
		atomic_store(&log_threshold, level);
		return true;
	}
	return false;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char prefix[] = "lowtide: ";
	char line[800];
	const size_t room = sizeof(line) - 1; /* one for the newline */
	size_t used = sizeof(prefix) - 1;
	int saved_errno = errno, wrote;
	va_list arguments;

	if ((int)level > atomic_load(&log_threshold))
		return;
	memcpy(line, prefix, used);
	va_start(arguments, format);
	wrote = vsnprintf(line + used, room - used, format, arguments);
	va_end(arguments);
	if (wrote > 0)
		used += (size_t)wrote < room - used ? (size_t)wrote : room - used - 1;
	make_plain(line, used);
	line[used++] = '\n';
	lock_cancel_hold();
	if (write(descriptor(), line, used) < 0) {
		/* There is nowhere left to say so. */
	}
	lock_cancel_let();
	errno = saved_errno;
}
