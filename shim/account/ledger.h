/*
 * The ledger: how much VRAM this process holds on each device, and the cap it must stay under.
 *
 * Owns one account a device: cap, bytes taken, high-water mark. Bytes are taken *before* the
 * driver is asked for them and given back when the driver refuses or after it freed them, so
 * that the account is never below what the device holds. Any thread may call; large takes are
 * lock-free, small ones share a mutex.
 */
#ifndef LOWTIDE_LEDGER_H
#define LOWTIDE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_DEVICES 64

/* Large allocations get whole pages of this size from the driver (the device's granularity on
 * every card since Volta). */
#define LEDGER_PAGE_BYTES (2ull << 20)

/* Opens the account with its cap in bytes. A second call for the same device changes nothing.
 * device: 0 .. LEDGER_DEVICES - 1. */
void ledger_open(int device, uint64_t cap_bytes);
bool ledger_is_open(int device);

/* Takes bytes from the account. False, and nothing taken, if that would pass the cap. An
 * account that is not open has no cap. */
bool ledger_take(int device, uint64_t bytes);
/* Gives back what ledger_take took; never more than is taken. */
void ledger_give_back(int device, uint64_t bytes);

uint64_t ledger_cap_bytes(int device); /* UINT64_MAX while not open */
uint64_t ledger_taken_bytes(int device);
uint64_t ledger_peak_bytes(int device);

/* What the driver takes for an allocation that has pages of its own: whole pages. Saturates. */
uint64_t ledger_charge_bytes(uint64_t bytes);

/* What the driver packs itself (managed memory, arrays, what LOWTIDE_DRIVER_BELOW leaves to it)
 * shares pages if it is under LEDGER_SMALL_BYTES, and the driver says nowhere how. Together
 * they are charged for as many pages as they can have, at the most. False, and nothing taken,
 * if that would pass the cap. */
#define LEDGER_SMALL_BYTES (1ull << 20)
bool ledger_take_small(int device, uint64_t bytes);
void ledger_give_back_small(int device);

/* Around a fork, so that the child does not inherit a held lock. */
void ledger_fork_prepare(void);
void ledger_fork_done(void);

#endif
