/* Two cards: whose memory whose kernels reach, and copies between them. */
#include "sim_test.h"

struct cards {
	CUcontext first, second;
	CUdeviceptr here, there; /* on the first card, on the second */
};

static struct cards start(const char *peers)
{
	struct cards cards;

	setenv("LOWTIDE_SIM_DEVICES", "2", 1);
	setenv("LOWTIDE_SIM_PEERS", peers, 1);
	cards.first = sim_start();
	OK(cuDevicePrimaryCtxRetain(&cards.second, 1));
	OK(cuCtxSetCurrent(cards.second));
	cards.there = sim_alloc(MIB);
	OK(cuCtxSetCurrent(cards.first));
	cards.here = sim_alloc(MIB);
	return cards;
}

Test(sim_peer, a_kernel_does_not_reach_the_other_card_unasked)
{
	struct cards cards = start("1");

	OK(sim_fill(cards.there, 1, 10, 1, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	OK(cuCtxSetCurrent(cards.second)); /* the other card's context is well */
	OK(cuCtxSynchronize());
}

Test(sim_peer, once_enabled_it_does)
{
	struct cards cards = start("1");
	int can;

	OK(cuDeviceCanAccessPeer(&can, 0, 1));
	cr_assert_eq(can, 1);
	OK(cuDeviceGetP2PAttribute(&can, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1));
	cr_assert_eq(can, 1);
	OK(cuCtxEnablePeerAccess(cards.second, 0));
	OK(sim_fill(cards.there, 7, 10, 1, NULL));
	OK(cuCtxSynchronize());
	sim_check_fill(cards.there, 7, 10);
	OK(cuCtxDisablePeerAccess(cards.second));
	OK(sim_fill(cards.there, 1, 10, 1, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}

Test(sim_peer, access_is_one_way)
{
	struct cards cards = start("1");

	OK(cuCtxEnablePeerAccess(cards.second, 0));
	(void)sim_function("fill");
	OK(cuCtxSetCurrent(cards.second));
	CUmodule module;
	CUfunction fill;
	unsigned int value = 1;
	unsigned long n = 10;
	OK(cuModuleLoad(&module, sim_image_path()));
	OK(cuModuleGetFunction(&fill, module, "fill"));
	void *params[] = {&cards.here, &value, &n};
	OK(sim_launch(fill, 1, NULL, params));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}

Test(sim_peer, wrong_requests_are_refused)
{
	struct cards cards = start("1");

	EXPECT(CUDA_ERROR_INVALID_VALUE, cuCtxEnablePeerAccess(cards.second, 1));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuCtxEnablePeerAccess(cards.first, 0));
	EXPECT(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(cards.second));
	OK(cuCtxEnablePeerAccess(cards.second, 0));
	EXPECT(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, cuCtxEnablePeerAccess(cards.second, 0));
	OK(cuDevicePrimaryCtxReset(1));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT, cuCtxDisablePeerAccess(cards.second));
}

Test(sim_peer, cards_that_are_no_peers_say_so)
{
	struct cards cards = start("0");
	int can = 1;

	OK(cuDeviceCanAccessPeer(&can, 0, 1));
	cr_assert_eq(can, 0);
	EXPECT(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cuCtxEnablePeerAccess(cards.second, 0));
	EXPECT(CUDA_ERROR_INVALID_DEVICE, cuDeviceCanAccessPeer(&can, 0, 2));
}

static void fill_here(const struct cards *cards)
{
	OK(sim_fill(cards->here, 40, 1000, 4, NULL));
	OK(cuCtxSynchronize());
}

Test(sim_peer, a_copy_goes_from_card_to_card_without_peer_access)
{
	struct cards cards = start("0");

	fill_here(&cards);
	OK(cuMemcpyPeer(cards.there, cards.second, cards.here, cards.first, 4000));
	OK(cuCtxSynchronize());
	sim_check_fill(cards.there, 40, 1000);
}

Test(sim_peer, an_asynchronous_copy_and_an_addressed_one_do_too)
{
	struct cards cards = start("0");
	CUstream stream;

	fill_here(&cards);
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuMemcpyPeerAsync(cards.there, cards.second, cards.here, cards.first, 4000, stream));
	OK(cuStreamSynchronize(stream));
	sim_check_fill(cards.there, 40, 1000);
	OK(cuMemsetD8(cards.there, 0, 4000));
	OK(cuMemcpyDtoD(cards.there, cards.here, 4000)); /* one address space for both */
	OK(cuCtxSynchronize());
	sim_check_fill(cards.there, 40, 1000);
}

Test(sim_peer, a_box_goes_from_card_to_card)
{
	struct cards cards = start("0");
	CUDA_MEMCPY3D_PEER box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
				  .srcDevice = cards.here,
				  .srcContext = cards.first,
				  .srcPitch = 400,
				  .srcHeight = 2,
				  .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				  .dstDevice = cards.there,
				  .dstContext = cards.second,
				  .dstPitch = 400,
				  .dstHeight = 2,
				  .WidthInBytes = 400,
				  .Height = 2,
				  .Depth = 5};

	fill_here(&cards);
	OK(cuMemcpy3DPeer(&box));
	OK(cuCtxSynchronize());
	sim_check_fill(cards.there, 40, 1000);
	OK(cuMemsetD8(cards.there, 0, 4000));
	OK(cuMemcpy3DPeerAsync(&box, NULL));
	OK(cuCtxSynchronize());
	sim_check_fill(cards.there, 40, 1000);
}

Test(sim_peer, a_copy_between_cards_takes_the_bus)
{
	struct cards cards = start("0");
	CUevent from, to;
	float ms;

	OK(cuEventCreate(&from, 0));
	OK(cuEventCreate(&to, 0));
	OK(cuEventRecord(from, NULL));
	OK(cuMemcpyPeerAsync(cards.there, cards.second, cards.here, cards.first, MIB, NULL));
	OK(cuEventRecord(to, NULL));
	OK(cuCtxSynchronize());
	OK(cuEventElapsedTime(&ms, from, to));
	cr_assert_gt(ms, 0.04f, "%f: a MiB at 25 GB/s", (double)ms);
}

Test(sim_peer, a_context_that_is_gone_is_no_end_of_a_copy)
{
	struct cards cards = start("0");

	OK(cuDevicePrimaryCtxReset(1));
	EXPECT(CUDA_ERROR_INVALID_CONTEXT,
	       cuMemcpyPeer(cards.there, cards.second, cards.here, cards.first, 4000));
}

Test(sim_peer, a_frame_of_another_card_needs_peers_and_access)
{
	struct cards cards = start("1");
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 1}};
	CUmemAccessDesc access[2] = {
	    {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 1},
	     .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE},
	    {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0},
	     .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE}};
	CUmemGenericAllocationHandle frame;
	CUdeviceptr at;

	(void)cards;
	OK(cuMemCreate(&frame, 2 * MIB, &prop, 0));
	OK(cuMemAddressReserve(&at, 2 * MIB, 0, 0, 0));
	OK(cuMemMap(at, 2 * MIB, 0, frame, 0));
	OK(cuMemSetAccess(at, 2 * MIB, access, 2));
	OK(sim_fill(at, 5, 100, 2, NULL));
	OK(cuCtxSynchronize());
	sim_check_fill(at, 5, 100);
	OK(cuMemSetAccess(at, 2 * MIB, &(CUmemAccessDesc){.location = access[1].location}, 1));
	OK(sim_fill(at, 5, 100, 2, NULL));
	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}
