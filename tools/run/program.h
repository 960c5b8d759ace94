/* What kind of file a program is: why the loader would not put the library into it. */
#ifndef LOWTIDE_PROGRAM_H
#define LOWTIDE_PROGRAM_H

/* As execvp would find it. The answer completes "the library does not load into it: ..."; NULL:
 * nothing speaks against it, or the file cannot be read. */
const char *program_against_preload(const char *name);

/* There is such a file, though execvp said ENOENT: its interpreter is missing. */
int program_is_there(const char *name);

#endif
