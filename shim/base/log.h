/*
 * One line a message, to stderr or the file LOWTIDE_LOG names; never to stdout. Owns the level
 * and the file.
 *
 * Any thread, at any moment: nothing is allocated, no lock is held, errno is kept, and a line
 * is one write. What a message quotes cannot end the line.
 */
#ifndef LOWTIDE_LOG_H
#define LOWTIDE_LOG_H

#include <stdbool.h>

enum log_level { LOG_OFF, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* "level" or "level,file". False: no such level, or the file cannot be opened (errno says why);
 * nothing changed. */
bool log_configure(const char *value);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format,
						    ...);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
