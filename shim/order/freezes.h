/* What may use memory that nobody can tell of. Any thread. */
#ifndef LOWTIDE_FREEZES_H
#define LOWTIDE_FREEZES_H

#include <stdbool.h>

/* While something lives that may use memory nobody can tell of (a graph that cannot be read),
 * counted: nothing moves. */
void freezes_add(int difference);
bool freezes_any(void);

#endif
