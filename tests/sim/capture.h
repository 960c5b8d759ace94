/* Stream capture's seam to the rest of the simulator: each stream operation asks sim_capturing
 * first. */
#ifndef SIM_CAPTURE_H
#define SIM_CAPTURE_H

#include <cuda.h>
#include <stdbool.h>

bool sim_capturing(CUstream stream);
/* Each adds a node to the stream's graph instead of running the operation. */
CUresult sim_capture_kernel(CUstream stream, const CUDA_KERNEL_NODE_PARAMS_v2 *params);
CUresult sim_capture_memcpy(CUstream stream, const CUDA_MEMCPY3D *params);
CUresult sim_capture_memset(CUstream stream, const CUDA_MEMSET_NODE_PARAMS *params);
CUresult sim_capture_host(CUstream stream, const CUDA_HOST_NODE_PARAMS *params);
CUresult sim_capture_record(CUstream stream, CUevent event);
/* Joins `stream` to the capture that `event` was recorded in; *captured is false if there is
 * none. */
CUresult sim_capture_wait(CUstream stream, CUevent event, bool *captured);
/* The event carries a capture; a record outside one ends that. */
bool sim_capture_event_captured(CUevent event);
void sim_capture_event_forget(CUevent event);
/* For calls that wait for or ask about a stream: invalidates its capture. */
CUresult sim_capture_forbid(CUstream stream);
/* For calls that wait for a whole context. */
CUresult sim_capture_forbid_context(CUcontext context);
/* For calls that may wait for everything (allocation, legacy stream): CUDA_SUCCESS outside
 * capture. */
CUresult sim_capture_unsafe(void);

#endif
