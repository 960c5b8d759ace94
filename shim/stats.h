/* What the pagers did, told when the process ends (LOWTIDE_STATS). */
#ifndef LOWTIDE_STATS_H
#define LOWTIDE_STATS_H

/* Calls no driver, and waits for no lock: a thread may have died with one. */
void stats_at_exit(void);

#endif
