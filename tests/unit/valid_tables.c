/* Debug builds find what is not so in a device's tables: a valid one, and one thing changed. */
#include "done_apart.h"
#include "move/mover_valid.h"
#include "move/transfer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct memory memory;
static struct frame device[2], host[2], spare;
static struct overlap overlap;
static struct mover mover = {.memory = &memory, .overlap = &overlap};

/* Two components of a block each: one in VRAM, with its host frame kept, on its way out; and
 * one in RAM, on its way in. */
static void make(void)
{
	struct block_table *table = &memory.table;

	table->arena.base = 16 * GRANULE;
	table->arena.bytes = 16 * GRANULE;
	table->blocks = calloc(2, sizeof(struct block));
	table->components = calloc(2, sizeof(struct component));
	table->block_at = calloc(16, sizeof(*table->block_at));
	cr_assert(table->blocks && table->components && table->block_at);
	for (uint32_t i = 0; i < 2; i++) {
		host[i].host = true;
		table->blocks[i] = (struct block){
		    .address = table->arena.base + 2 * i * GRANULE,
		    .component = i,
		    .home = i ? HOME_HOST : HOME_DEVICE,
		    .device = i ? NULL : &device[0],
		    .host = &host[i],
		};
		table->components[i] = (struct component){
		    .start = table->blocks[i].address,
		    .bytes = 1000,
		    .span_bytes = GRANULE,
		    .first_block = i,
		    .block_count = 1,
		    .cold_count = i,
		};
		table->block_at[2 * i] = i + 1;
	}
	table->block_end = table->component_end = table->live_components = 2;
	memory.cold_blocks = 1;
	memory.frames.spare[0][0] = &spare;
	memory.frames.device_spare_bytes = GRANULE;
	memory.frames.device_bytes = 2 * GRANULE;
	memory.frames.host_bytes = 2 * GRANULE;
	for (uint32_t i = 0; i < 2; i++) {
		overlap.transfers[i].state = i ? IN_WAIT : OUT_WAIT;
		overlap.transfers[i].block = i;
		overlap.queue[i] = (uint16_t)i;
		table->blocks[i].transfer = i + 1;
	}
	overlap.queued = overlap.busy = 2;
}

TestSuite(valid, .init = make);

Test(valid, is_what_agrees)
{
	mover_see_valid(&mover);
}

static void check_aborts(void (*what)(void), const char *why)
{
	char said[1000];
	int status = done_apart(what, said);

	cr_assert(eq(int, status & 0x7f, SIGABRT), "%s", said);
	cr_assert(ne(ptr, strstr(said, why), NULL), "%s", said);
}

#define NOT_VALID(name, says, change)                                                          \
	static void name(void)                                                                 \
	{                                                                                      \
		change;                                                                        \
		mover_see_valid(&mover);                                                       \
	}                                                                                      \
	Test(valid, name)                                                                      \
	{                                                                                      \
		check_aborts(name, "not valid: " says " (");                                   \
	}

NOT_VALID(resident_without_a_frame, "a block in VRAM has a device frame",
	  memory.table.blocks[0].device = NULL)
NOT_VALID(in_ram_without_a_frame, "a block in RAM has a host frame",
	  memory.table.blocks[1].host = NULL)
NOT_VALID(a_frame_of_two_blocks, "a frame is owned once",
	  memory.table.blocks[1].host = &host[0])
NOT_VALID(a_spare_frame_in_use, "a frame is owned once", memory.table.blocks[0].device = &spare)
NOT_VALID(a_frame_of_another_size, "a device frame is one, of its block's size",
	  memory.table.blocks[0].device->size_class = 1)
NOT_VALID(a_host_frame_for_a_device_frame, "a device frame is one, of its block's size",
	  memory.table.blocks[0].device->host = true)
NOT_VALID(an_index_to_another_block, "the index finds a block by its first address",
	  memory.table.block_at[2] = 1)
NOT_VALID(cold_blocks_miscounted, "cold blocks are counted", memory.cold_blocks = 2)
NOT_VALID(a_components_cold_blocks_miscounted, "a component's cold blocks are counted",
	  memory.table.components[0].cold_count = 1)
NOT_VALID(tabled_ones_miscounted, "cold blocks in tables are counted",
	  memory.table.components[1].tabled = true)
NOT_VALID(components_miscounted, "components are counted", memory.table.live_components = 1)
NOT_VALID(spare_bytes_miscounted, "the bytes of spare frames are counted",
	  memory.frames.device_spare_bytes = 0)
NOT_VALID(fewer_bytes_than_frames, "the pool counts all device frames",
	  memory.frames.device_bytes = GRANULE)

/* --- and of what is on its way */
NOT_VALID(a_transfer_queued_twice, "a transfer is queued once", overlap.queue[1] = 0)
NOT_VALID(a_transfer_that_is_not_queued, "what is on its way is queued", overlap.queued = 1)
NOT_VALID(transfers_miscounted, "transfers are counted", overlap.busy = 1)
NOT_VALID(on_its_way_without_knowing, "a block on its way knows its transfer",
	  memory.table.blocks[0].transfer = 0)
NOT_VALID(freed_on_its_way, "what is on its way has not been freed",
	  memory.table.components[1].bytes = 0;
	  memory.table.blocks[1].component = NO_BLOCK; memory.table.live_components = 1;
	  memory.cold_blocks = 0)
NOT_VALID(a_transfer_of_another_block, "a transfer knows its block",
	  overlap.transfers[1].state = IN_VOID;
	  overlap.transfers[1].block = 0)
NOT_VALID(on_its_way_under_strict, "a transfer knows its block", mover.overlap = NULL)
