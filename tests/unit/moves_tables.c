/* The tables of blocks and components, as they are cut and as they run out, on the rig. */
#include "moves_rig.h"

#include <sys/mman.h>

static struct block_table table;
static int mmap_fails_at; /* the nth from now; 0: none */
static CUresult no_addresses;

void *__real_mmap(void *at, size_t bytes, int access, int flags, int file, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int access, int flags, int file, off_t offset);

void *__wrap_mmap(void *at, size_t bytes, int access, int flags, int file, off_t offset)
{
	return mmap_fails_at && !--mmap_fails_at
		   ? MAP_FAILED
		   : __real_mmap(at, bytes, access, flags, file, offset);
}

static CUresult reserve(CUdeviceptr *at, size_t bytes, size_t alignment, CUdeviceptr hint,
			unsigned long long flags)
{
	return no_addresses ? no_addresses : rig_reserve(at, bytes, alignment, hint, flags);
}

static void start(void)
{
	lt_driver.cuMemAddressReserve = reserve;
	lt_driver.cuMemAddressFree = rig_free_addresses;
	cr_assert(block_table_init(&table, 0));
}

static struct component *make(uint64_t granules, unsigned int largest_class)
{
	return component_make(&table, granules * GRANULE, largest_class, NULL);
}

/* Every address of the component is a block's of it, and the one behind it nobody's. */
static void check_found(const struct component *component, const unsigned int *classes,
			uint32_t count)
{
	uint64_t at = component->start;

	cr_assert(eq(u32, component->block_count, count));
	for (uint32_t i = 0; i < count; i++) {
		const struct block *block = &table.blocks[component->first_block + i];

		cr_assert(eq(uint, block->size_class, classes[i]));
		cr_assert(eq(u64, block->address, at));
		for (uint64_t end = at + block_bytes(block); at < end; at += GRANULE)
			cr_assert(eq(u32, block_find(&table, at + GRANULE - 1),
				     component->first_block + i));
	}
	cr_assert(eq(u64, at, component->start + component->span_bytes));
	cr_assert(eq(u32, block_find(&table, at), NO_BLOCK));
}

Test(tables, cut_a_component_greedily, .init = start)
{
	check_found(make(7, 2), (const unsigned int[]){2, 1, 0}, 3);
	check_found(make(9, 2), (const unsigned int[]){2, 2, 0}, 3);
	check_found(make(2, 6), (const unsigned int[]){1}, 1);
	check_found(make(3, 0), (const unsigned int[]){0, 0, 0}, 3);
}

Test(tables, round_up_to_whole_granules, .init = start)
{
	struct component *component = component_make(&table, GRANULE + 1, 0, NULL);

	cr_assert(eq(u64, component->bytes, GRANULE + 1));
	cr_assert(eq(u64, component->span_bytes, 2 * GRANULE));
	check_found(component, (const unsigned int[]){0, 0}, 2);
}

Test(tables, make_nothing_of_no_bytes_or_of_more_than_there_can_be, .init = start)
{
	cr_assert(zero(ptr, component_make(&table, 0, 0, NULL)));
	cr_assert(zero(ptr, component_make(&table, table.arena.bytes / 2 + 1, 6, NULL)));
	cr_assert(zero(ptr, component_make(&table, UINT64_MAX, 6, NULL)));
	cr_assert(zero(u32, table.live_components));
	cr_assert(zero(u32, table.component_end));
}

/* What could not be made has taken nothing. */
Test(tables, take_nothing_where_there_are_no_addresses_left, .init = start)
{
	const uint64_t half = table.arena.bytes / 2 / GRANULE;
	struct component *component = make(half, 6), *another;
	uint32_t blocks = table.block_end;

	cr_assert(component != NULL);
	cr_assert(zero(ptr, make(half, 6)), "a granule behind each is nobody's");
	cr_assert(eq(u32, table.live_components, 1));
	cr_assert(eq(u32, table.block_end, blocks));
	component_unmake(&table, component);
	cr_assert(zero(u32, table.block_end));
	component = make(half, 6);
	another = make(half - 10, 6);
	cr_assert(component != NULL && another != NULL);
	cr_assert(eq(u32, table.component_end, 2));
}

/* Blocks of one component stand together: two gaps are no room for as many as both. */
Test(tables, take_nothing_where_there_is_no_row_of_entries_so_long, .init = start)
{
	struct component *gap = make(400000, 0);
	struct component *between = make(1, 0);
	struct component *second = make(500000, 0);
	uint32_t blocks;

	make(1, 0);
	component_unmake(&table, gap);
	component_unmake(&table, second);
	blocks = table.block_end;
	cr_assert(zero(ptr, make(520000, 0)));
	cr_assert(eq(u32, table.live_components, 2));
	cr_assert(eq(u32, table.block_end, blocks));
	cr_assert(make(500000, 0) != NULL);
	check_found(between, (const unsigned int[]){0}, 1);
}

Test(tables, have_so_many_components_and_no_more, .init = start)
{
	struct component *component = NULL;

	for (uint32_t i = 0; i < COMPONENTS_MAX; i++) {
		component = make(1, 0);
		cr_assert(component != NULL);
	}
	cr_assert(zero(ptr, make(1, 0)));
	cr_assert(eq(u32, table.block_end, COMPONENTS_MAX));
	component_unmake(&table, component);
	cr_assert(eq(ptr, make(1, 0), component));
}

/* --- the tables themselves */

static void check_is_refused(void)
{
	cr_assert_not(block_table_init(&table, 0));
	cr_assert(zero(u64, table.arena.bytes));
}

static void start_bare(void)
{
	lt_driver.cuMemAddressReserve = reserve;
	lt_driver.cuMemAddressFree = rig_free_addresses;
}

Test(tables, are_not_made_without_memory, .init = start_bare)
{
	for (int nth = 1; nth <= 4; nth++) {
		memset(&table, 0, sizeof(table));
		mmap_fails_at = nth;
		check_is_refused();
		cr_assert(zero(int, mmap_fails_at));
	}
	cr_assert(block_table_init(&table, 0));
	cr_assert(make(3, 1) != NULL);
}

Test(tables, are_not_made_without_addresses, .init = start_bare)
{
	no_addresses = CUDA_ERROR_OUT_OF_MEMORY;
	check_is_refused();
	no_addresses = CUDA_SUCCESS;
	cr_assert(block_table_init(&table, 0));
}

/* A thread may be reading them without a lock: they stay where they are. */
Test(tables, keep_their_place_when_another_context_comes, .init = start)
{
	const struct block *blocks = table.blocks;
	const struct component *components = table.components;

	component_unmake(&table, make(3, 0));
	block_table_finish(&table);
	cr_assert(eq(u32, block_find(&table, arena_slot(0)), NO_BLOCK));
	cr_assert(block_table_init(&table, 0));
	cr_assert(eq(ptr, (void *)table.blocks, (void *)blocks));
	cr_assert(eq(ptr, (void *)table.components, (void *)components));
	check_found(make(3, 0), (const unsigned int[]){0, 0, 0}, 3);
}

/* Without the lock, the index is read before the block: in between another thread may free the
 * component that an address of the program's lies in. */
Test(tables, find_no_component_in_a_block_that_was_freed_meanwhile, .init = start)
{
	struct component *component = make(2, 0);
	uint64_t address = component->start + GRANULE;
	uint32_t *block = &table.blocks[component->first_block + 1].component;

	cr_assert(eq(ptr, component_find(&table, address), component));
	*block = NO_BLOCK;
	cr_assert(eq(ptr, component_find(&table, address), NULL));
	cr_assert(eq(ptr, component_find(&table, component->start), component));
}
