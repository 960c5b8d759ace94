/*
 * The gate: keeps work from being launched while mappings change.
 *
 * Every call that gives the device work runs between gate_enter and gate_leave. Whoever changes
 * mappings shuts the gate, which returns once nobody is inside. Owns one slot a thread and the
 * shut flag. Any thread.
 *
 * Ordering (Dekker's): a launcher stores its slot, then reads the flag; the one who shuts
 * stores the flag, then reads the slots; all four are sequentially consistent, so at least one
 * of the two sees the other. It has a rank among the locks (base/ranks.def): while it waits for
 * those inside, they wait for none that whoever shuts it may hold.
 */
#ifndef LOWTIDE_GATE_H
#define LOWTIDE_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Waits while the gate is shut. Nests; the thread is not cancelled while it is inside. */
void gate_enter(void);
void gate_leave(void);

/* False after `patience_ns` without success: somebody stays inside (a call that blocks); the
 * gate is then open again. One thread at a time (the pagers' lock sees to it); not from inside.
 */
bool gate_shut(uint64_t patience_ns);
void gate_open(void);

/* In a forked child: nobody is inside. */
void gate_forget_threads(void);

#endif
