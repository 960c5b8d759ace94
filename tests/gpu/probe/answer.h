/*
 * How a trial's process tells its parent what it found: one JSON object a line, written at
 * once, so that what was found before a crash, a hang or a lost context is not lost with it.
 *
 * A figure was measured several times; a fact was seen; a check is a promise of the driver that
 * Lowtide rests on and that held or did not. One process, one trial, any thread.
 */
#ifndef PROBE_ANSWER_H
#define PROBE_ANSWER_H

#include "samples.h"

#include <cuda.h>
#include <stdbool.h>

void answer_to(int file); /* before anything else */

/* Names are format strings. Nothing is written of a figure without samples. */
void answer_figure(struct samples *s, const char *unit, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
void answer_value(double value, const char *unit, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
void answer_yes_no(bool yes, const char *name, ...) __attribute__((format(printf, 2, 3)));
void answer_number(long long number, const char *name, ...)
    __attribute__((format(printf, 2, 3)));
void answer_text(const char *text, const char *name, ...) __attribute__((format(printf, 2, 3)));
/* "ok", or the error's name. */
void answer_result(CUresult result, const char *name, ...)
    __attribute__((format(printf, 2, 3)));
/* `why` says what was seen if it did not hold; may be NULL if it did. */
void answer_check(bool holds, const char *why, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/* What the trial is at; told if it dies there. */
void answer_step(const char *what, ...) __attribute__((format(printf, 1, 2)));

/* Ends the process. Failed: the question could not be answered. Skipped: it does not arise
 * here.
 */
_Noreturn void answer_failed(const char *why, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void answer_skipped(const char *why, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void answer_done(void);

/* A driver call that must work: else the trial fails, naming it. */
#define TRY(call) answer_try((call), #call)
void answer_try(CUresult result, const char *call);

#endif
