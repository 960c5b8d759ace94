/*
 * LOWTIDE_TEST_VERIFY, for tests: whenever a block is about to change its home, the bytes of
 * both frames are read back and compared, and a difference is told as an error. Needs the
 * pager's lock, and its context current.
 */
#ifndef LOWTIDE_VERIFY_H
#define LOWTIDE_VERIFY_H

#include "move/mover.h"

/* `device` holds, or is about to hold, the block's bytes in VRAM; its host frame has them too.
 * Does nothing unless the setting asks for it. */
void verify_block(struct mover *mover, const struct block *block, const struct frame *device);

#endif
