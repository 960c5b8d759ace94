#include "account/admission.h"

#include "driver/driver.h"
#include "base/log.h"
#include "account/unmanaged.h"
#include "account/ledger.h"
#include "account/ordered_free.h"
#include "order/streams.h"
#include "order/captures.h"
#include "base/settings.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define ATTEMPTS 64

/* The card's memory, from whoever tells; 0: nobody does. */
static uint64_t total_of(int device)
{
	size_t total_bytes, free_bytes;

	if (real(cuDeviceTotalMem_v2) &&
	    real(cuDeviceTotalMem_v2)(&total_bytes, device) == CUDA_SUCCESS)
		return total_bytes;
	if (real(cuMemGetInfo_v2) &&
	    real(cuMemGetInfo_v2)(&free_bytes, &total_bytes) == CUDA_SUCCESS)
		return total_bytes;
	return 0;
}

void admission_open_account(int device)
{
	uint64_t total_bytes, cap_bytes, reserve_bytes = settings_get()->reserve_bytes;

	if (ledger_is_open(device))
		return;
	total_bytes = total_of(device);
	if (!total_bytes)
		return;
	cap_bytes = settings_cap_bytes(settings_get(), device, total_bytes);
	if (cap_bytes > total_bytes)
		cap_bytes = total_bytes;
	cap_bytes -= reserve_bytes < cap_bytes ? reserve_bytes : cap_bytes;
	log_info("device %d: cap %" PRIu64 " MiB of %" PRIu64 " MiB", device, cap_bytes / MIB,
		 total_bytes / MIB);
	ledger_open(device, cap_bytes);
}

bool admission_in_force(void)
{
	return !settings_get()->disable;
}

/* A program may probe for far too much: what is told is told again for less than half of it. */
static bool is_news(_Atomic uint64_t *told_bytes, uint64_t bytes)
{
	uint64_t told = atomic_load(told_bytes);

	do
		if (told && bytes > told / 2)
			return false;
	while (!atomic_compare_exchange_weak(told_bytes, &told, bytes));
	return true;
}

void admission_say_refused(int device, size_t bytes)
{
	static _Atomic uint64_t told_bytes[LEDGER_DEVICES][2];
	bool capturing = captures_any();

	if (device < 0 || device >= LEDGER_DEVICES ||
	    !is_news(&told_bytes[device][capturing], bytes))
		return;
	log_warn("device %d: %zu bytes refused as out of memory: %" PRIu64
		 " of the cap's %" PRIu64 " MiB are taken%s",
		 device, bytes, ledger_taken_bytes(device) / MIB,
		 ledger_cap_bytes(device) / MIB,
		 capturing ? ", and a stream is being captured: nothing moves to RAM meanwhile"
			   : " (raise LOWTIDE_VRAM to allow more)");
}

static void say_required(int device)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		log_error("LOWTIDE_REQUIRED=1, and %s: allocations on device %d are answered "
			  "with out-of-memory",
			  settings_get()->misread
			      ? "a setting was not understood"
			      : "the driver does not tell how large the card is",
			  device);
}

static bool (*_Atomic reclaims[ADMISSION_RECLAIMS])(int, uint64_t); /* atomic */

void admission_reclaims(enum admission_reclaim which, bool (*reclaim)(int, uint64_t))
{
	atomic_store(&reclaims[which], reclaim);
}

/* False: not so much can be had. */
static bool make_room(int device, uint64_t bytes)
{
	bool room = false;

	for (int i = 0; i < ADMISSION_RECLAIMS; i++) {
		bool (*reclaim)(int, uint64_t) = atomic_load(&reclaims[i]);

		room = (reclaim && reclaim(device, bytes)) || room;
	}
	return room;
}

/* `charge` takes what is asked or nothing; if it cannot, pageable memory makes room for so
 * much. */
static bool charge_quietly(int device, size_t bytes, bool (*charge)(int, uint64_t),
			   uint64_t room_bytes)
{
	admission_open_account(device);
	if (settings_get()->required && (settings_get()->misread || !ledger_is_open(device))) {
		say_required(device);
		return false;
	}
	if (charge(device, bytes))
		return true;
	ordered_free_settle();
	/* Other threads may be quicker to take the room that was made for this one. */
	for (int i = 0; i < ATTEMPTS; i++) {
		bool room = make_room(device, room_bytes);

		if (charge(device, bytes))
			return true;
		if (!room)
			break;
	}
	return false;
}

static bool charge_or_make_room(int device, size_t bytes, bool (*charge)(int, uint64_t),
				uint64_t room_bytes)
{
	if (charge_quietly(device, bytes, charge, room_bytes))
		return true;
	admission_say_refused(device, bytes);
	return false;
}

bool admission_ask_device(int device, size_t bytes)
{
	return charge_or_make_room(device, bytes, unmanaged_charge, ledger_charge_bytes(bytes));
}

bool admission_ask_pages(int device, size_t bytes)
{
	return charge_quietly(device, ledger_charge_bytes(bytes), ledger_take,
			      ledger_charge_bytes(bytes));
}

/* *device is -1 where nothing is to be charged. An error is the program's to have: it keeps the
 * driver from saying where the memory would come from. */
CUresult admission_current_device(size_t bytes, int *device)
{
	CUdevice current;
	CUresult result;

	*device = -1;
	if (!bytes || !admission_in_force() || !real(cuCtxGetDevice))
		return CUDA_SUCCESS;
	result = real(cuCtxGetDevice)(&current);
	if (result == CUDA_SUCCESS && current < LEDGER_DEVICES)
		*device = current;
	return result == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : result;
}

CUresult admission_ask(size_t bytes, int *device)
{
	CUresult result = admission_current_device(bytes, device);

	if (*device < 0)
		return result;
	return admission_ask_device(*device, bytes) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult admission_settle(CUresult result, int device, size_t bytes, CUdeviceptr address)
{
	CUcontext context = NULL;

	if (device < 0)
		return result;
	if (!real(cuCtxGetCurrent) || real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
		context = NULL;
	if (result == CUDA_SUCCESS)
		unmanaged_remember(address, device, (uintptr_t)context, bytes);
	else
		unmanaged_uncharge(device, bytes);
	return result;
}

#define RETRIES 3

bool admission_retry(CUresult result, int device, size_t bytes, int *tries)
{
	bool room;

	if (result != CUDA_ERROR_OUT_OF_MEMORY || device < 0 || ++*tries > RETRIES)
		return false;
	room = make_room(device, ledger_charge_bytes(bytes));
	/* Less than all of it may be enough. */
	return room || *tries == 1;
}

CUresult admission_alloc(size_t bytes, CUresult (*driver_alloc)(CUdeviceptr *, size_t),
			 CUdeviceptr *out)
{
	int device, tries = 0;
	CUresult result = admission_ask(bytes, &device);

	if (result != CUDA_SUCCESS)
		return result;
	do
		result = driver_alloc(out, bytes);
	while (admission_retry(result, device, bytes, &tries));
	return admission_settle(result, device, bytes, result == CUDA_SUCCESS ? *out : 0);
}

CUresult admission_ask_pooled(size_t bytes, int *device)
{
	CUresult result = admission_current_device(bytes, device);

	if (*device < 0)
		return result;
	return admission_ask_device(*device, bytes) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult admission_settle_pooled(CUresult result, int device, size_t bytes, CUdeviceptr address)
{
	if (device < 0)
		return result;
	if (result == CUDA_SUCCESS)
		unmanaged_remember(address, device, 0, bytes);
	else
		unmanaged_uncharge(device, bytes);
	return result;
}

/* Somebody allocated past us: another preloaded library that answers before this one, a
 * function of the driver's own that was found in a way we do not answer, or graphs. */
static void say_unseen(CUdeviceptr address)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (address && admission_in_force() && !atomic_flag_test_and_set(&said))
		log_warn("memory at %#llx is freed that was not seen being allocated: such "
			 "memory is not held to the cap (said once)",
			 (unsigned long long)address);
}

CUresult admission_free(CUdeviceptr address, CUresult (*driver_free)(CUdeviceptr))
{
	struct unmanaged held = unmanaged_detach(address);
	CUresult result = driver_free(address);

	unmanaged_settle_free(held, address, result == CUDA_SUCCESS);
	if (held.device < 0 && result == CUDA_SUCCESS)
		say_unseen(address);
	return result;
}
