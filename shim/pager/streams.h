/*
 * Streams: which there are, so that a drain can ask each of them; and whether any is being
 * captured.
 *
 * A drain polls cuStreamQuery and never records into a stream of the program, least of all the
 * legacy one: an event there would make later work in one blocking stream wait for earlier work
 * in another, which can be a deadlock of our making. Owns the list of streams, the events that
 * stand for destroyed ones, and each thread's event in its own per-thread default stream, which
 * no other thread can ask. Own lock; any thread.
 */
#ifndef LOWTIDE_STREAMS_H
#define LOWTIDE_STREAMS_H

#include <cuda.h>

#include <stdbool.h>
#include <stdint.h>

void streams_created(CUstream stream);
/* Before the driver is asked: what is still in it goes on, and a drain must still wait for it.
 */
void streams_destroying(CUstream stream);
/* The calling thread gave work to its own default stream. */
void streams_thread_worked(void);
void streams_context_ended(CUcontext context);

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
/* Before and after calls of ours that a capture which begins meanwhile, on another thread,
 * would be spoilt by: with RELAXED they are this thread's own affair. Puts the mode before in
 * *mode. */
void streams_exchange_capture_mode(CUstreamCaptureMode *mode);
/* Would the driver refuse an allocation on this thread now, because of a capture (and spoil the
 * capture)? */
bool streams_capture_forbids(void);

/* In between no capture begins: what asks the driver of streams, outside the gate, does so
 * here, where nothing is being captured. Ranked after the pager's lock and before the gate; not
 * for those who have shut it. */
void streams_capture_hold(void);
void streams_capture_let(void);
/* Once, without waiting: is every stream of the context idle? NOT_READY, or the driver's error.
 * The context is current. */
CUresult streams_ask(CUcontext context);
/* Between two such questions: short at first. */
void streams_nap(unsigned int polls);

enum drained { STREAMS_IDLE, STREAMS_LATE, STREAMS_FAILED };
/* Waits until every stream of the context is idle; LATE after `patience_ns`. The gate is shut,
 * the context is current and nothing is captured. */
enum drained streams_drain(CUcontext context, uint64_t patience_ns);

void streams_fork_prepare(void);
void streams_fork_parent(void);
void streams_fork_child(void);

#endif
