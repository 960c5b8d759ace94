/*
 * Components and blocks: what the program allocated, and the pieces it is moved in.
 *
 * Owns the two tables of a device and the index from an address to its block. The tables lie at
 * fixed addresses and only their tail moves, so that the launch path reads them without a lock.
 * Fields are guarded by the pager's lock unless they say atomic.
 */
#ifndef LOWTIDE_BLOCK_H
#define LOWTIDE_BLOCK_H

#include "memory/arena.h"
#include "memory/extent.h"
#include "memory/frame.h"
#include "memory/slab.h"

#include <stdatomic.h>

#define BLOCKS_MAX (1u << 20)
#define COMPONENTS_MAX (1u << 18)
#define NO_BLOCK UINT32_MAX
#define FENCE_NEVER UINT64_MAX

/* Of two operations, one after the other: what is known of the end of both. The end of later
 * work says nothing of earlier work in another stream. */
static inline uint64_t fence_of_both(uint64_t earlier, uint64_t later)
{
	return earlier == FENCE_NEVER ? FENCE_NEVER : later;
}

enum block_home { HOME_NONE, HOME_HOST, HOME_DEVICE };

struct block {
	uint64_t address;
	uint32_t component; /* index; NO_BLOCK: this entry is free */
	uint8_t size_class;
	_Atomic uint8_t
	    home;     /* enum block_home: what the program's address is mapped to; atomic */
	bool leaving; /* its host frame is being written or compared: nobody else may have it */
	bool clean;   /* while a batch is under way */
	bool hashed; /* `hash` is of the host frame's bytes, and they are the block's as it came
			in; never of a block in RAM, nor of one without a host frame */
	bool was_out;	   /* has been evicted before */
	uint64_t fence;	   /* of the last copy or fill that named it; FENCE_NEVER: not known */
	uint32_t transfer; /* the number of the one that moves it + 1; 0: none does */
	bool barred;	   /* in a graph, in a table, changed unnamed: moves in windows only */
	bool named_since_in;
	uint32_t pins;	      /* may not change home while not 0 */
	struct frame *device; /* NULL unless resident */
	struct frame *host;   /* kept while resident, if RAM allows */
	uint64_t hash[2];
	uint32_t next_free;
};

struct component {
	uint64_t start, bytes; /* as the program asked; 0 bytes: this entry is free */
	uint64_t span_bytes;   /* of whole blocks */
	CUcontext context;
	uint64_t id;			   /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
	uint32_t first_block, block_count; /* consecutive in the table */
	_Atomic uint32_t cold_count;	   /* blocks not resident; atomic */
	bool tabled; /* its address was uploaded as data: any launch may use it, see unmapped.h
		      */
	uint32_t group;
	uint32_t named;	  /* by launches, so often */
	uint32_t used_at; /* the pager's epoch of the last launch that named it */
	uint64_t fence;	  /* of the last launch that named it; FENCE_NEVER: not known */
	struct extents extents;
	struct slab *slab;  /* it is one, cut into small allocations; NULL: it is not */
	uint32_t next_free; /* of the free list; of the parked, index + 1 */
	bool parked, ripe;  /* freed, but not gone yet; and free to go (free.h) */
	bool sync_memops;   /* the program set CU_POINTER_ATTRIBUTE_SYNC_MEMOPS: pinned */
	CUevent free_after; /* what it is parked for; NULL: until the device is idle */
};

struct block_table {
	struct arena arena;
	struct block *blocks; /* BLOCKS_MAX entries, of which block_end are or were used */
	struct component *components; /* COMPONENTS_MAX entries */
	_Atomic uint32_t
	    *block_at; /* by (address - base) / GRANULE: block + 1; 0: none; atomic */
	struct ranges free_blocks;
	uint32_t block_end, component_end;
	uint32_t live_components;
	uint32_t free_component; /* head of the free list; NO_BLOCK: none */
	uint64_t next_id;
};

bool block_table_init(struct block_table *table, int device);
void block_table_finish(struct block_table *table);

static inline uint64_t block_bytes(const struct block *block)
{
	return frame_bytes(block->size_class);
}

/* NO_BLOCK: the address is in no component. Any thread, no lock; the component must not be
 * freed meanwhile. */
static inline uint32_t block_find(const struct block_table *table, uint64_t address)
{
	if (!arena_holds(&table->arena, address))
		return NO_BLOCK;
	return atomic_load_explicit(
		   &table->block_at[(address - table->arena.base) >> GRANULE_BITS],
		   memory_order_relaxed) -
	       1;
}

/* The component that holds the address; NULL: none. Any thread, no lock: another thread may
 * free it meanwhile, if the program names what it frees, and its block then is nobody's. */
static inline struct component *component_find(const struct block_table *table,
					       uint64_t address)
{
	uint32_t id = block_find(table, address), index = NO_BLOCK;

	if (id != NO_BLOCK)
		index = __atomic_load_n(&table->blocks[id].component, __ATOMIC_RELAXED);
	return index == NO_BLOCK ? NULL : &table->components[index];
}

/* A component of so many bytes, cut greedily into blocks of at most 2^largest_class granules;
 * nothing is mapped. NULL: no room. */
struct component *component_make(struct block_table *table, uint64_t bytes,
				 unsigned int largest_class, CUcontext context);
void component_unmake(struct block_table *table, struct component *component);

static inline uint32_t component_index(const struct block_table *table,
				       const struct component *component)
{
	return (uint32_t)(component - table->components);
}

#endif
