/* Telling `lowtide run` that the library has loaded: the loader itself only warns when not. */
#ifndef LOWTIDE_LOADED_H
#define LOWTIDE_LOADED_H

/* LOWTIDE_LOADED=descriptor:device:inode names an inherited memory file. The first process the
 * library loads into writes one byte there, closes it and forgets the variable, so that what it
 * starts pays nothing. Only at load, before there are threads. */
void loaded_tell(void);

#endif
