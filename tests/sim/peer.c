/*
 * Cards that reach each other's memory: who may, once it has been told to. Between cards that
 * may not, a copy still goes (over RAM), and a kernel's access is an illegal one.
 */
#include "sim.h"

#define PAIRS 64

/* Contexts of `from`'s device reach what was allocated in `to`. Guarded by the lock. */
static struct {
	CUcontext from, to;
} pairs[PAIRS];
static size_t pair_count;

static size_t pair_of(CUcontext from, CUcontext to)
{
	size_t i = 0;

	while (i < pair_count && !(pairs[i].from == from && pairs[i].to == to))
		i++;
	return i;
}

bool sim_peer_reaches(int device, CUcontext context)
{
	for (size_t i = 0; i < pair_count; i++)
		if (pairs[i].from->device == device && pairs[i].to == context)
			return true;
	return false;
}

void sim_peer_forget(CUcontext context)
{
	for (size_t i = pair_count; i-- > 0;)
		if (pairs[i].from == context || pairs[i].to == context)
			pairs[i] = pairs[--pair_count];
}

SIM_EXPORT CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags)
{
	CUcontext self;

	SIM_CALL();
	self = sim_context();
	if (flags)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (!sim_context_known(peer) || peer == self)
		SIM_ANSWER(CUDA_ERROR_INVALID_CONTEXT);
	if (!sim_config.peers || peer->device == self->device)
		SIM_ANSWER(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
	if (pair_of(self, peer) < pair_count)
		SIM_ANSWER(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
	if (pair_count == PAIRS)
		SIM_ANSWER(CUDA_ERROR_TOO_MANY_PEERS);
	pairs[pair_count].from = self;
	pairs[pair_count++].to = peer;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuCtxDisablePeerAccess(CUcontext peer)
{
	size_t at;

	SIM_CALL();
	if (!sim_context_known(peer))
		SIM_ANSWER(CUDA_ERROR_INVALID_CONTEXT);
	at = pair_of(sim_context(), peer);
	if (at == pair_count)
		SIM_ANSWER(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
	pairs[at] = pairs[--pair_count];
	SIM_ANSWER(CUDA_SUCCESS);
}

static bool absent(CUdevice device)
{
	return device < 0 || device >= sim_config.devices;
}

SIM_EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)
{
	SIM_CALL_ANYWHERE();
	if (!can)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (absent(device) || absent(peer))
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*can = sim_config.peers && device != peer;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute what,
					    CUdevice device, CUdevice peer)
{
	SIM_CALL_ANYWHERE();
	if (!value || (int)what < CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK ||
	    (int)what > CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (absent(device) || absent(peer) || device == peer)
		SIM_ANSWER(CUDA_ERROR_INVALID_DEVICE);
	*value = what == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED && sim_config.peers;
	SIM_ANSWER(CUDA_SUCCESS);
}
