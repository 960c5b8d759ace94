/* What the pagers did, told when the process ends (LOWTIDE_STATS). */
#ifndef LOWTIDE_SUMMARY_H
#define LOWTIDE_SUMMARY_H

/* Before there are threads: the process that loads the library writes the file that is named,
 * one forked from it name.PID, and only if it used a device itself. */
void summary_at_load(void);
/* Calls no driver, and waits for no lock: a thread may have died with one. */
void summary_at_exit(void);

#endif
