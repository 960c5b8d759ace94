/*
 * Captures of streams that are under way, in which nothing may move, and how our own calls keep
 * out of them. Owns their count. Any thread.
 */
#ifndef LOWTIDE_CAPTURES_H
#define LOWTIDE_CAPTURES_H

#include <cuda.h>

#include <stdbool.h>

void captures_began(CUstreamCaptureMode mode);
void captures_ended(void); /* on the thread that began it, unless it is relaxed */
bool captures_any(void);
/* This very stream is, or (an error to the program) may not be used because another is. */
bool captures_include(CUstream stream);
/* Around calls of ours that a capture on this thread or another, also one that begins
 * meanwhile, would be spoilt by: with RELAXED they are this thread's own affair. Nests.
 * Returns, and takes, the thread's mode before. */
CUstreamCaptureMode captures_relax(void);
void captures_unrelax(CUstreamCaptureMode before);
/* Would the driver refuse an allocation on this thread now, because of a capture (and spoil the
 * capture)? */
bool captures_forbid(void);

/* In between no capture begins: what asks the driver of streams, outside the gate, does so
 * here, where nothing is being captured. Not for those who have shut the gate. */
void captures_hold(void);
void captures_let(void);
#endif
