/*
 * Streams: which there are, so that a drain can ask each of them.
 *
 * A drain polls cuStreamQuery and never records into a stream of the program, least of all the
 * legacy one: an event there would make later work in one blocking stream wait for earlier work
 * in another, which can be a deadlock of our making. Owns the list of streams, the events that
 * stand for destroyed ones, and each thread's event in its own per-thread default stream, which
 * no other thread can ask. Own lock; any thread.
 */
#ifndef LOWTIDE_STREAMS_H
#define LOWTIDE_STREAMS_H

#include "order/captures.h"

#include <cuda.h>

#include <stdint.h>

void streams_created(CUstream stream);
/* Before the driver is asked, and once it has answered: what is still in the stream goes on,
 * and a drain must still wait for it; a stream that the driver refuses to destroy lives on.
 * NULL: none that is known, or one that is captured. */
struct source *streams_destroying(CUstream stream);
void streams_destroyed(struct source *source, CUresult result);
/* The calling thread gave work to its own default stream. */
void streams_thread_worked(void);
void streams_context_ended(CUcontext context);

/* Once, without waiting: is every stream of the context idle? NOT_READY, or the driver's error.
 * The context is current. */
CUresult streams_ask(CUcontext context);
/* Between two such questions: short at first. */
void streams_nap(unsigned int polls);

enum drained { STREAMS_IDLE, STREAMS_LATE, STREAMS_FAILED };
/* Waits until every stream of the context is idle; LATE after `patience_ns`. The gate is shut,
 * the context is current and nothing is captured. */
enum drained streams_drain(CUcontext context, uint64_t patience_ns);

/* An event of the current context behind all that the stream was given. NULL: it cannot be made
 * there; *result says why if the stream is at fault. */
CUevent streams_event_behind(CUstream stream, CUresult *result);

void streams_fork_prepare(void);
void streams_fork_done(void);

#endif
