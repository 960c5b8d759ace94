/*
 * How a card and its driver go about things, beside what their calls cost (price.h): what an
 * event costs the stream it is recorded in, what takes VRAM that nobody asked for, what holds a
 * launch up, how managed memory moves, how a process ends. No preset is a measurement;
 * README.md here lists the settings.
 *
 * Written once, by sim_manners_of_profile and sim_manners_from_environment in this order, with
 * the lock; immutable after.
 */
#ifndef SIM_MANNER_H
#define SIM_MANNER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_manners {
	/* --- events: of the stream's own time */
	double event_ns; /* a record */
	double wait_ns;	 /* cuStreamWaitEvent */
	/* Does a programmatic dependent launch start early though an event was recorded between
	 * it and the kernel before it? */
	bool dependent_past_event;

	/* --- between threads */
	double poll_stall_ns; /* a launch takes longer after another thread's query */

	/* --- addresses and tables */
	double table_bytes; /* of VRAM, for each MiB of RAM that a device may access */
	bool tables_kept;   /* unmapping gives nothing back; the next mapping uses it again */
	double reserve_ns, reserve_vram_bytes; /* of each TiB reserved */
	double address_bytes;		       /* that can be reserved in all; 0: no bound */

	/* --- memory in RAM: by which ways kernels cannot reach host frames, a bit a way; and
	 * whether copies between pageable memory and host frames are refused */
	unsigned int host_faults;
	bool host_refuses_pageable;
	/* Who waits for a copy to or from a host frame: as of device memory, not of pinned. */
	bool host_blocks_as_device;
	/* --- tensor maps: do their bytes tell where the memory is; must there be memory? */
	bool map_tells_home, map_needs_memory;

	/* --- managed memory */
	double fault_ns;	 /* of a kernel, for each page that it faults on */
	double prefetch_page_ns; /* of the host, for each page that is to be prefetched */
	double prefetch_in_rate, prefetch_out_rate; /* bytes per ns; 0: the bus's own */
	bool managed_migrates;	  /* a kernel's touch moves a page, whatever was advised */
	bool managed_faults;	  /* a page that moves under a kernel is an illegal access */
	bool managed_tears;	  /* or its bytes change */
	bool managed_copies_back; /* dropping a copy that was only read copies it to RAM */
};
extern struct sim_manners sim_manners;

void sim_manners_of_profile(const json_t *root);
void sim_manners_from_environment(void);

/* A query of this thread; what a launch of this thread is held up for since then, once. With
 * the lock. */
void sim_polled(void);
double sim_poll_stall_ns(void);

/* How a process ends (exit.c): each call of a thread passes through the first; with the lock.
 */
void sim_exit_note_thread(void);

#endif
