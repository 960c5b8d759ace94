/*
 * How many contexts of each device live, by the calls that make and end them: while it is more
 * than one, work may use memory of which we do not see when. Any thread.
 */
#ifndef LOWTIDE_CONTEXTS_H
#define LOWTIDE_CONTEXTS_H

#include <stdbool.h>

/* `difference` contexts more live on the device. */
void contexts_made(int device, int difference);
bool contexts_only_one(int device);
/* Do contexts of more than one device live? */
bool contexts_on_many_devices(void);

#endif
