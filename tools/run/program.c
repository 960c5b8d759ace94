#include "run/program.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "which machine is this?"
#endif

#define SCRIPTS_DEEP 4 /* the kernel follows as many interpreters */

static int find(const char *name, char *path, size_t room)
{
	const char *list = getenv("PATH");
	struct stat status;

	if (strchr(name, '/')) {
		if (strlen(name) >= room)
			return -1;
		strcpy(path, name);
		return 0;
	}
	for (const char *at = list ? list : "/bin:/usr/bin"; *at;) {
		size_t length = strcspn(at, ":");

		if ((size_t)snprintf(path, room, "%.*s%s%s", (int)length, at, length ? "/" : "",
				     name) < room &&
		    access(path, X_OK) == 0 && stat(path, &status) == 0 &&
		    S_ISREG(status.st_mode))
			return 0;
		at += length + (at[length] == ':');
	}
	return -1;
}

int program_is_there(const char *name)
{
	char path[PATH_MAX];

	return find(name, path, sizeof(path)) == 0 && access(path, F_OK) == 0;
}

/* The loader ignores LD_PRELOAD where running the file changes what the process may do. */
static const char *against_rights(int file)
{
	struct stat status;

	if (fstat(file, &status) != 0)
		return NULL;
	if ((status.st_mode & S_ISUID && status.st_uid != geteuid()) ||
	    (status.st_mode & S_ISGID && status.st_gid != getegid()))
		return "it is set-uid or set-gid, and the loader preloads nothing there";
	if (geteuid() != 0 && fgetxattr(file, "security.capability", NULL, 0) > 0)
		return "it has file capabilities, and the loader preloads nothing there";
	return NULL;
}

static const char *against_elf(int file, const unsigned char *head, const char *path)
{
	Elf64_Ehdr elf;
	Elf64_Phdr segment;
	char loader[256];
	const char *slash = strrchr(path, '/');

	if (head[EI_CLASS] != ELFCLASS64)
		return "it is a 32-bit program, and the library a 64-bit one";
	memcpy(&elf, head, sizeof(elf));
	if (elf.e_machine != MACHINE)
		return "it is a program for another kind of processor";
	for (int i = 0; i < elf.e_phnum; i++) {
		ssize_t length;

		if (pread(file, &segment, sizeof(segment),
			  (off_t)elf.e_phoff + i * (off_t)elf.e_phentsize) != sizeof(segment))
			return NULL;
		if (segment.p_type != PT_INTERP)
			continue;
		length = pread(file, loader, sizeof(loader) - 1, (off_t)segment.p_offset);
		loader[length < 0 ? 0 : length] = '\0';
		return strstr(loader, "ld-musl")
			   ? "it runs on musl, and the library needs glibc"
			   : NULL;
	}
	/* The loader itself, called with a program, needs no interpreter and preloads. */
	if (!strncmp(slash ? slash + 1 : path, "ld", 2) && strstr(path, ".so"))
		return NULL;
	return "it is statically linked, and has no loader that could";
}

static const char *against(const char *path, int deep)
{
	unsigned char head[256];
	const char *why;
	ssize_t length;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return NULL;
	memset(head, 0, sizeof(head));
	length = pread(file, head, sizeof(head) - 1, 0);
	why = against_rights(file);
	if (!why && length >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG))
		why = against_elf(file, head, path);
	close(file);
	if (!why && length > 2 && !memcmp(head, "#!", 2) && deep < SCRIPTS_DEEP) {
		char *interpreter = (char *)head + 2;

		interpreter += strspn(interpreter, " \t");
		interpreter[strcspn(interpreter, " \t\r\n")] = '\0';
		return against(interpreter, deep + 1);
	}
	return why;
}

const char *program_against_preload(const char *name)
{
	char path[PATH_MAX];

	return find(name, path, sizeof(path)) == 0 ? against(path, 0) : NULL;
}
