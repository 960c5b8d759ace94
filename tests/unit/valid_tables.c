/* Debug builds find what is not so in a device's tables: a valid one, and one thing changed. */
#include "memory/valid.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>

static struct memory memory;
static struct frame device[2], host[2], spare;

/* Two components of a block each: one in VRAM, with its host frame kept, and one in RAM. */
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
}

TestSuite(valid, .init = make);

Test(valid, is_what_agrees)
{
	memory_see_valid(&memory);
}

#define NOT_VALID(name, change)                                                                \
	Test(valid, name, .signal = SIGABRT)                                                   \
	{                                                                                      \
		change;                                                                        \
		memory_see_valid(&memory);                                                     \
	}

NOT_VALID(resident_without_a_frame, memory.table.blocks[0].device = NULL)
NOT_VALID(in_ram_without_a_frame, memory.table.blocks[1].host = NULL)
NOT_VALID(a_frame_of_two_blocks, memory.table.blocks[1].host = &host[0])
NOT_VALID(a_spare_frame_in_use, memory.table.blocks[0].device = &spare)
NOT_VALID(a_frame_of_another_size, memory.table.blocks[0].device->size_class = 1)
NOT_VALID(a_host_frame_for_a_device_frame, memory.table.blocks[0].device->host = true)
NOT_VALID(an_index_to_another_block, memory.table.block_at[2] = 1)
NOT_VALID(cold_blocks_miscounted, memory.cold_blocks = 2)
NOT_VALID(a_components_cold_blocks_miscounted, memory.table.components[0].cold_count = 1)
NOT_VALID(tabled_ones_miscounted, memory.table.components[1].tabled = true)
NOT_VALID(components_miscounted, memory.table.live_components = 1)
NOT_VALID(spare_bytes_miscounted, memory.frames.device_spare_bytes = 0)
NOT_VALID(fewer_bytes_than_frames, memory.frames.device_bytes = GRANULE)
