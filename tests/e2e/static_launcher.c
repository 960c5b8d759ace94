/* A statically linked program: the loader cannot preload anything into it. With arguments it
 * becomes that program; with none, or "-", it ends with 3. */
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2 || !strcmp(argv[1], "-"))
		return 3;
	execvp(argv[1], argv + 1);
	return 127;
}
