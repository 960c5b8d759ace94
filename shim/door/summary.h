/* What the pagers did, written when the process ends (LOWTIDE_STATS). */
#ifndef LOWTIDE_SUMMARY_H
#define LOWTIDE_SUMMARY_H

/* Called before there are threads. The process that the library was loaded into writes the file
 * that LOWTIDE_STATS names; one forked from it writes NAME.PID, if it used a device itself. */
void summary_at_load(void);
/* Calls no driver and waits for no lock, because a thread may have ended while it held one. */
void summary_at_exit(void);

#endif
