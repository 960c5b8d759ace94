#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static _Atomic int log_threshold = LOG_WARN;	   /* atomic */
static _Atomic int log_descriptor = STDERR_FILENO; /* atomic */

bool log_configure(const char *value)
{
	static const char *const names[] = {"off", "error", "warn", "info", "debug"};
	size_t length = strcspn(value, ",");

	for (int level = LOG_OFF; level <= LOG_DEBUG; level++) {
		if (strlen(names[level]) != length || strncmp(names[level], value, length))
			continue;
		if (value[length] == ',') {
			int file;

			/* A privileged process opens no file because of its environment. */
			if (getauxval(AT_SECURE))
				return false;
			file = open(value + length + 1,
				    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
			if (file < 0)
				return false;
			atomic_store(&log_descriptor, file);
		}
		atomic_store(&log_threshold, level);
		return true;
	}
	return false;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char prefix[] = "lowtide: ";
	char line[512];
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
	line[used++] = '\n';
	if (write(atomic_load(&log_descriptor), line, used) < 0) {
		/* There is nowhere left to say so. */
	}
	errno = saved_errno;
}
