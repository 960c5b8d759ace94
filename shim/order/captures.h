/*
 * What keeps all of a device's memory where it is: captures of streams that are under way, work
 * that nobody can tell of, a second context; and how our own calls keep out of captures. Owns
 * their counts. Any thread.
 */
#ifndef LOWTIDE_CAPTURES_H
#define LOWTIDE_CAPTURES_H

#include <cuda.h>

#include <stdbool.h>

/* How many contexts of a device live, by the calls that make and end them. */
void streams_context_made(int device, int difference);
bool streams_one_context(int device);
/* Do contexts of more than one device live? */
bool streams_many_devices(void);

/* While something lives that may use memory nobody can tell of (a graph that cannot be read),
 * counted: nothing moves. */
void streams_freeze(int difference);
bool streams_frozen(void);

void streams_capture_began(CUstreamCaptureMode mode);
void streams_capture_ended(void); /* on the thread that began it, unless it is relaxed */
bool streams_capturing(void);
/* This very stream is, or (an error to the program) may not be used because another is. */
bool streams_is_captured(CUstream stream);
/* Around calls of ours that a capture on this thread or another, also one that begins
 * meanwhile, would be spoilt by: with RELAXED they are this thread's own affair. Nests.
 * Returns, and takes, the thread's mode before. */
CUstreamCaptureMode streams_relax(void);
void streams_unrelax(CUstreamCaptureMode before);
/* Would the driver refuse an allocation on this thread now, because of a capture (and spoil the
 * capture)? */
bool streams_capture_forbids(void);

/* In between no capture begins: what asks the driver of streams, outside the gate, does so
 * here, where nothing is being captured. Not for those who have shut the gate. */
void streams_capture_hold(void);
void streams_capture_let(void);
#endif
