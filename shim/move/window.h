/*
 * The strict switch: a window in which nothing runs. Shut the gate, drain every stream, move a
 * whole batch, open the gate. The pager's lock is held throughout.
 */
#ifndef LOWTIDE_WINDOW_H
#define LOWTIDE_WINDOW_H

#include "move/mover.h"

/* False: not now (a capture, another context on the device, a thread inside a call that blocks,
 * or work that does not end within patience); nothing is changed and the gate is open. */
bool window_open(struct mover *mover);
void window_close(struct mover *mover);

#endif
