#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_process_is_privileged(void)
{
	return getauxval(AT_SECURE) != 0;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

/* To open some devices is to set them going, so a name is looked at before it is opened, and
 * again after: it may be another file's by then. */
int file_open(const char *path, bool fresh)
{
	const int flags =
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	struct stat status;
	int file, error = 0;

	if (file_process_is_privileged())
		return refuse(EPERM);
	if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return refuse(S_ISLNK(status.st_mode) ? ELOOP : EINVAL);
	file = open(path, flags, 0600);
	if (file < 0)
		return -1;
	if (fstat(file, &status) != 0)
		error = errno;
	else if (!S_ISREG(status.st_mode))
		error = EINVAL;
	else if (fresh && ftruncate(file, 0) != 0)
		error = errno;
	if (!error)
		return file;
	close(file);
	return refuse(error);
}
